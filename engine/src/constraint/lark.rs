//! A grammar in Lark's notation to a program.
//!
//! `name: alternative | alternative`, where an alternative is a row of `"text"`, `/pattern/`, names, `(groups)` and
//! `[what may be left out]`, each repeated by `?`, `*`, `+`, `~n` or `~n..m`; `//` begins a comment. `start` is the answer.
//! There is no lexer: names of tokens are rules like the others, and white space counts. Directives are refused.

use std::collections::HashMap;

use super::automaton::Automaton;
use super::limits::{MAX_COUNT, MAX_SOURCE_BYTES, MAX_SOURCE_DEPTH, within};
use super::program::{Node, NodeId, Program, Text};
use super::regex::Regex;
use crate::error::{Error, Result, shown};

/// Most rules.
const MAX_RULES: u64 = 2_000;

/// Compiles a grammar.
///
/// # Errors
/// [`Error::Request`] with the line, [`Error::LimitExceeded`] for what is too large.
pub fn compile(text: &str) -> Result<Program> {
    within(
        "the length of the grammar in bytes",
        text.len() as u64,
        MAX_SOURCE_BYTES as u64,
    )?;
    let mut compiler = Compiler {
        tokens: tokens(text)?,
        at: 0,
        program: Program::new(),
        rules: HashMap::new(),
        depth: 0,
    };
    while compiler.peek().is_some() {
        compiler.rule()?;
    }
    let missing = compiler.rules.iter().find(|(_, rule)| !rule.defined);
    if let Some((name, rule)) = missing {
        return Err(refused(
            rule.line,
            &format!("there is no rule `{}`", shown(name)),
            "write it",
        ));
    }
    let start = compiler.rules.get("start").ok_or_else(|| {
        refused(
            1,
            "there is no rule `start`",
            "write it: it is the whole answer",
        )
    })?;
    compiler.program.finish(start.link)
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Pattern(String),
    Number(u64),
    Mark(char),
    Range,
    Line,
}

struct Rule {
    link: NodeId,
    defined: bool,
    /// Where it is first named.
    line: usize,
}

struct Compiler {
    /// With their lines.
    tokens: Vec<(Token, usize)>,
    at: usize,
    program: Program,
    rules: HashMap<String, Rule>,
    depth: usize,
}

impl Compiler {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn line(&self) -> usize {
        let token = self.tokens.get(self.at).or(self.tokens.last());
        token.map_or(1, |(_, line)| *line)
    }

    fn takes(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(&Token::Mark(mark));
        self.at += usize::from(found);
        found
    }

    fn refused(&self, problem: &str, remedy: &str) -> Error {
        refused(self.line(), problem, remedy)
    }

    /// The link that stands for a rule.
    fn named(&mut self, name: &str) -> Result<NodeId> {
        if let Some(rule) = self.rules.get(name) {
            return Ok(rule.link);
        }
        within(
            "the number of rules",
            self.rules.len() as u64 + 1,
            MAX_RULES,
        )?;
        let link = self.program.add(Node::Link(None))?;
        let rule = Rule {
            link,
            defined: false,
            line: self.line(),
        };
        self.rules.insert(name.to_owned(), rule);
        Ok(link)
    }

    fn rule(&mut self) -> Result<()> {
        if self.peek() == Some(&Token::Line) {
            self.at += 1;
            return Ok(());
        }
        // How a tree of the answer would look, which nobody makes.
        let _ = self.takes('?') || self.takes('!');
        let name = match self.peek() {
            Some(Token::Name(name)) => name.clone(),
            Some(Token::Mark('%')) => {
                return Err(self.refused(
                    "directives (`%`) are not supported",
                    "write white space where it may stand",
                ));
            }
            _ => return Err(self.refused("no rule begins here", "write `name: what it is`")),
        };
        let link = self.named(&name)?;
        self.at += 1;
        if !self.takes(':') {
            return Err(self.refused(
                "a rule's name is not followed by `:`",
                "write `name: what it is`",
            ));
        }
        if let Some(rule) = self.rules.get_mut(&name)
            && std::mem::replace(&mut rule.defined, true)
        {
            return Err(self.refused(
                &format!("`{}` is there twice", shown(&name)),
                "join them with `|`",
            ));
        }
        let node = self.alternatives(false)?;
        self.program.link(link, node);
        match self.peek() {
            None | Some(Token::Line) => Ok(()),
            Some(_) => {
                Err(self.refused("a rule goes on in a way that means nothing", "correct it"))
            }
        }
    }

    fn alternatives(&mut self, grouped: bool) -> Result<NodeId> {
        self.depth += 1;
        within(
            "the depth of the grammar",
            self.depth as u64,
            MAX_SOURCE_DEPTH as u64,
        )?;
        let mut ways = vec![self.sequence(grouped)?];
        loop {
            let before = self.at;
            while self.peek() == Some(&Token::Line) {
                self.at += 1;
            }
            if self.takes('|') {
                ways.push(self.sequence(grouped)?);
                continue;
            }
            if !grouped {
                self.at = before;
            }
            break;
        }
        self.depth -= 1;
        match ways.len() {
            1 => Ok(ways.remove(0)),
            _ => self.program.add(Node::Either(ways.into())),
        }
    }

    fn sequence(&mut self, grouped: bool) -> Result<NodeId> {
        let mut parts = Vec::new();
        loop {
            while grouped && self.peek() == Some(&Token::Line) {
                self.at += 1;
            }
            match self.part()? {
                Some(part) => parts.push(part),
                None => break,
            }
        }
        match parts.len() {
            1 => Ok(parts.remove(0)),
            _ => self.program.add(Node::Sequence(parts.into())),
        }
    }

    fn part(&mut self) -> Result<Option<NodeId>> {
        let Some(token) = self.peek().cloned() else {
            return Ok(None);
        };
        let node = match token {
            Token::Name(name) => {
                let link = self.named(&name)?;
                self.at += 1;
                link
            }
            Token::Text(text) => {
                self.at += 1;
                self.program.add_literal(text)?
            }
            Token::Pattern(pattern) => {
                self.at += 1;
                let automaton = Automaton::new(&Regex::whole(&pattern)?)?
                    .ok_or_else(|| self.refused("no text matches the pattern", "correct it"))?;
                self.program.add_text(Text {
                    automaton,
                    length: None,
                    json: false,
                    free: false,
                })?
            }
            Token::Mark('(') => {
                self.at += 1;
                let inner = self.alternatives(true)?;
                match self.takes(')') {
                    true => inner,
                    false => return Err(self.refused("a `(` has no end", "close it")),
                }
            }
            Token::Mark('[') => {
                self.at += 1;
                let inner = self.alternatives(true)?;
                match self.takes(']') {
                    true => self.repeated(inner, 0, Some(1))?,
                    false => return Err(self.refused("a `[` has no end", "close it")),
                }
            }
            _ => return Ok(None),
        };
        self.counted(node).map(Some)
    }

    fn counted(&mut self, node: NodeId) -> Result<NodeId> {
        if self.takes('?') {
            return self.repeated(node, 0, Some(1));
        }
        if self.takes('*') {
            return self.repeated(node, 0, None);
        }
        if self.takes('+') {
            return self.repeated(node, 1, None);
        }
        if !self.takes('~') {
            return Ok(node);
        }
        let min = self.count()?;
        let max = match self.peek() {
            Some(Token::Range) => {
                self.at += 1;
                self.count()?
            }
            _ => min,
        };
        match max < min {
            true => Err(self.refused("a repetition ends before it begins", "correct it")),
            false => self.repeated(node, min, Some(max)),
        }
    }

    fn repeated(&mut self, node: NodeId, min: u32, max: Option<u32>) -> Result<NodeId> {
        self.program.add(Node::Repeat { node, min, max })
    }

    fn count(&mut self) -> Result<u32> {
        let Some(Token::Number(count)) = self.peek() else {
            return Err(self.refused("a repetition says no number", "write `~2` or `~2..5`"));
        };
        within("a repetition in the grammar", *count, MAX_COUNT)?;
        let count = *count as u32;
        self.at += 1;
        Ok(count)
    }
}

/// Words, texts and marks with their lines.
fn tokens(text: &str) -> Result<Vec<(Token, usize)>> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let token = match letter {
            '\n' => {
                line += 1;
                tokens.push((Token::Line, line - 1));
                continue;
            }
            letter if letter.is_whitespace() => continue,
            '/' if letters.peek() == Some(&'/') => {
                while letters.next_if(|letter| *letter != '\n').is_some() {}
                continue;
            }
            '/' | '"' => {
                let inner = quoted(&mut letters, letter, line)?;
                if matches!(letters.peek(), Some(flag) if flag.is_alphabetic()) {
                    return Err(refused(
                        line,
                        "flags after a text or pattern are not supported",
                        "write both cases",
                    ));
                }
                match letter {
                    '"' => Token::Text(unescaped(&inner, line)?),
                    _ => Token::Pattern(inner.replace("\\/", "/")),
                }
            }
            '.' if letters.next_if_eq(&'.').is_some() => Token::Range,
            letter if letter.is_ascii_digit() => {
                let mut value = u64::from(letter) - u64::from('0');
                while let Some(digit) = letters.peek().and_then(|letter| letter.to_digit(10)) {
                    letters.next();
                    value = value.saturating_mul(10).saturating_add(u64::from(digit));
                }
                Token::Number(value)
            }
            letter if letter.is_alphabetic() || letter == '_' => {
                let mut name = String::from(letter);
                while let Some(letter) =
                    letters.next_if(|letter| letter.is_alphanumeric() || *letter == '_')
                {
                    name.push(letter);
                }
                Token::Name(name)
            }
            letter => Token::Mark(letter),
        };
        tokens.push((token, line));
    }
    Ok(tokens)
}

/// What stands before `end`; escapes stay.
fn quoted(
    letters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    end: char,
    line: usize,
) -> Result<String> {
    let mut text = String::new();
    while let Some(letter) = letters.next_if(|letter| *letter != '\n') {
        if letter == end {
            return Ok(text);
        }
        text.push(letter);
        if letter == '\\' {
            text.extend(letters.next_if(|letter| *letter != '\n'));
        }
    }
    Err(refused(
        line,
        &format!("a `{end}` has no end"),
        "close it on its line",
    ))
}

/// Escapes are JSON's.
fn unescaped(text: &str, line: usize) -> Result<String> {
    serde_json::from_str(&format!("\"{}\"", text.replace('\t', "\\t"))).map_err(|_| {
        refused(
            line,
            &format!(
                "the text `{}` has an escape that JSON does not know",
                shown(text)
            ),
            "correct it",
        )
    })
}

fn refused(line: usize, problem: &str, remedy: &str) -> Error {
    Error::Request {
        problem: format!("the grammar in line {line}: {problem}"),
        remedy: remedy.to_owned(),
    }
}
