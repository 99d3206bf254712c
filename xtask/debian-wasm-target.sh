#!/usr/bin/env bash
# For a Debian machine whose rustup cannot fetch the standard library of wasm32-unknown-unknown.
#
# Debian packages a compiler for the web and the sources of its standard library, but no built one for this target. This
# builds it once, puts it beside that compiler, and registers the compiler with rustup as the toolchain `outpost-web`.
# Prints the toolchain's name as its only line on stdout. Needs root. Runs again in no time.
set -euo pipefail

target=wasm32-unknown-unknown
toolchain=outpost-web
rustc=/usr/bin/rustc
packages=(rustc-web cargo-web rust-web-src libstd-rust-web-dev lld)
library=/usr/lib/rustlib/$target/lib
stamp=$library/built-with

say() { echo "debian-wasm-target: $*" >&2; }

install_compiler() {
  say "installing Debian's compiler for the web"
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
}

# An empty crate is enough to have cargo build the standard library; its rlibs are what is kept. They carry bitcode, so
# that a profile with link-time optimisation can use them.
build_library() {
  say "building the standard library for $target"
  local crate
  crate=$(mktemp -d)
  trap 'rm -rf "$crate"' RETURN
  mkdir "$crate/src"
  touch "$crate/src/lib.rs"
  cat >"$crate/Cargo.toml" <<'TOML'
[package]
name = "empty"
version = "0.0.0"
edition = "2021"
TOML
  # -Z build-std is a nightly feature; RUSTC_BOOTSTRAP lets a stable compiler build its own library.
  (cd "$crate" && env -u RUSTUP_TOOLCHAIN -u CARGO_TARGET_DIR RUSTC_BOOTSTRAP=1 RUSTC=$rustc RUSTFLAGS=-Cembed-bitcode=yes \
    /usr/bin/cargo build --quiet --release --target $target -Z build-std=std,panic_abort,test >&2)
  rm -rf "$library"
  mkdir -p "$library"
  local built=$crate/target/$target/release/deps
  find "$built" \( -name 'lib*.rlib' -o -name 'lib*.rmeta' \) ! -name 'libempty-*' -exec cp -t "$library" {} +
  $rustc --version >"$stamp"
}

# rustc looks for a linker of this name beside its own library. The one that rustup brought is newer than Debian's.
link_linker() {
  local host linker
  host=$($rustc -vV | sed -n 's/^host: //p')
  linker=$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld
  [ -x "$linker" ] || linker=$(command -v lld)
  mkdir -p "/usr/lib/rustlib/$host/bin"
  ln -sfn "$linker" "/usr/lib/rustlib/$host/bin/rust-lld"
}

dpkg -s "${packages[@]}" >/dev/null 2>&1 || install_compiler
[ "$(cat "$stamp" 2>/dev/null)" = "$($rustc --version)" ] || build_library
link_linker
rustup toolchain link $toolchain /usr >&2
echo $toolchain
