"""Conversations, the text that the chat template renders for them, and their ids with images expanded."""

import json

from transformers import AutoTokenizer

import export

TOKENS_PER_IMAGE = 4

IMAGE = {"image": True}


def said(*parts):
    """A turn's parts: text, or IMAGE."""
    return [part if part is IMAGE else {"text": part} for part in parts]


# (name, system text or None, turns: user, assistant, user, ...)
CONVERSATIONS = [
    ("one_question", None, [said("What is a fever?")]),
    ("system_folds_into_the_first_turn", "You are a helpful medical assistant.", [said("What is a fever?")]),
    ("system_is_not_trimmed", "  You are brief. \n", [said("What is a fever?")]),
    ("empty_system_still_adds_a_blank_line", "", [said("What is a fever?")]),
    ("three_turns", None, [said("I have a cough."), said("Since when?"), said("Three days.")]),
    ("system_and_five_turns", "You are an expert radiologist.",
     [said("Hello"), said("Hello. What can I do?"), said("Is this normal?"), said("What do you mean?"), said("The heart size.")]),
    ("ends_with_the_model", None, [said("Give me one word."), said("Rest")]),
    ("turns_are_trimmed", None, [said(" \n What is a fever? \t\n"), said("\n\n  A high temperature.  \n"), said("  Thanks ")]),
    ("inner_space_is_kept", None, [said("a  b\n\n\nc\td")]),
    ("every_part_is_trimmed_by_itself", None, [said(" first ", " second ", "third")]),
    ("empty_turn", None, [said("")]),
    ("image_first", "You are an expert radiologist.", [said(IMAGE, "Describe this X-ray")]),
    ("image_last", "You are an expert radiologist.", [said("Describe this X-ray", IMAGE)]),
    ("image_first_without_system", None, [said(IMAGE, "Describe this X-ray")]),
    ("image_alone", None, [said(IMAGE)]),
    ("image_between", None, [said("Look at this: ", IMAGE, " What do you see?")]),
    ("text_that_ends_in_newlines_before_an_image", None, [said("Look:\n\n", IMAGE, "\n\nWell?")]),
    ("two_images_first", None, [said(IMAGE, IMAGE, "Which one is older?")]),
    ("slices", "", [said("Here is a scan.", IMAGE, "SLICE 1", IMAGE, "SLICE 2", IMAGE, "SLICE 3", "Is there a bleed? Final Answer: yes/no")]),
    ("image_in_a_later_turn", None, [said("Hello"), said("Hello"), said(IMAGE, "And this one?")]),
    ("images_in_two_turns", None, [said(IMAGE, "First?"), said("Normal."), said("Second?", IMAGE)]),
    ("thinking_system", "SYSTEM INSTRUCTION: think silently if needed. You are a helpful medical assistant.", [said("Why does it hurt?")]),
    ("other_scripts", "आप सहायक हैं।", [said("मरीज को बुखार है 😀"), said("喝水。"), said("شكرا")]),
    ("markup_and_braces", None, [said("{{ bos_token }} {% if %} <b>x</b> \\n 'q' \"p\"")]),
    ("wide_spaces_are_trimmed", None, [said("\u00a0\u3000\u2028x\u0085\u2003")]),
    # Python's strip, which the template uses, takes U+001C..U+001F for white space; Unicode's White_Space does not.
    ("separators_are_trimmed", None, [said("\u001c\u001fx\u001d\u001e")]),
    ("zero_width_space_is_not_trimmed", None, [said("\u200bx\ufeff")]),
    ("line_ends", None, [said("a\r\nb\rc\n")]),
]

CASE = """\
name = "chat"
proves = "Turns, system text and images become exactly the prompt that Gemma 3's chat template and processor make of them."
made_by = "reference/chat.py, transformers {version}"

[files]
tokenizer = "../tokenizer/tokenizer.json"
template = "../tokenizer/chat_template.jinja"
# [{{name, system (text or null), turns: [{{role: "user" | "assistant", parts: [{{text}} | {{image: true}}]}}],
#   add_generation_prompt, rendered, expanded, ids}}]
# rendered: what the template gives; one <start_of_image> stands for an image. expanded: with every image as it is
# tokenised. ids: of `expanded`, which begins with bos; nothing is put before it.
conversations = "conversations.json"

[input]
tokens_per_image = {tokens}

[tolerance]
ids = 0
"""


def messages(system, turns):
    """Hugging Face's form of a conversation."""
    out = [] if system is None else [{"role": "system", "content": [{"type": "text", "text": system}]}]
    for n, parts in enumerate(turns):
        content = [{"type": "image"} if part is IMAGE else {"type": "text", "text": part["text"]} for part in parts]
        out.append({"role": ("user", "assistant")[n % 2], "content": content})
    return out


def make(folder):
    import transformers

    tokenizer = AutoTokenizer.from_pretrained(folder.parent / "tokenizer")
    rows = []
    for name, system, turns in CONVERSATIONS:
        ask = len(turns) % 2 == 1
        rendered = tokenizer.apply_chat_template(messages(system, turns), tokenize=False, add_generation_prompt=ask)
        expanded = export.expand_images(rendered, TOKENS_PER_IMAGE)
        rows.append({
            "name": name, "system": system,
            "turns": [{"role": ("user", "assistant")[n % 2], "parts": parts} for n, parts in enumerate(turns)],
            "add_generation_prompt": ask, "rendered": rendered, "expanded": expanded,
            "ids": tokenizer(expanded, add_special_tokens=False).input_ids,
        })
    text = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / "conversations.json").write_text(f"[\n{text}\n]\n", encoding="utf-8")
    (folder / "case.toml").write_text(CASE.format(version=transformers.__version__, tokens=TOKENS_PER_IMAGE))
