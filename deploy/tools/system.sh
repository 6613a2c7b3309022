#!/usr/bin/env bash
# Installs the programs that cogflow calls: ffmpeg, tesseract, on Linux bubblewrap, a font
# for the demo clips, and PostgreSQL for tests. It uses apt-get or brew if that needs no password; otherwise
# it prints the missing packages and fails.
set -euo pipefail

have() { command -v "$1" >/dev/null 2>&1; }

have_font() {
	local dir
	for dir in /usr/share/fonts /usr/local/share/fonts "$HOME/.fonts" "$HOME/.local/share/fonts" \
		/Library/Fonts "$HOME/Library/Fonts"; do
		if [ -d "$dir" ] && [ -n "$(find -L "$dir" -name 'DejaVuSans-Bold.ttf' -print -quit 2>/dev/null)" ]; then
			return 0
		fi
	done
	return 1
}

# have_postgres: packages of Linux keep the programs of a server off the PATH.
have_postgres() {
	local program
	for program in /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb \
		/opt/homebrew/opt/postgresql*/bin/initdb /usr/local/opt/postgresql*/bin/initdb; do
		[ ! -x "$program" ] || return 0
	done
	have initdb
}

# missing prints the missing packages, by their names in the package manager.
missing() {
	local tesseract="tesseract" font="dejavu-sans-fonts" postgres="postgresql-server"
	case $manager in
	apt) tesseract="tesseract-ocr" font="fonts-dejavu-core" postgres="postgresql" ;;
	brew) font="font-dejavu" postgres="postgresql@17" ;;
	esac
	{ have ffmpeg && have ffprobe; } || echo ffmpeg
	have tesseract || echo "$tesseract"
	[ "$(uname -s)" != Linux ] || have bwrap || echo bubblewrap
	have_font || echo "$font"
	have_postgres || echo "$postgres"
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

if have apt-get; then manager=apt; elif have brew; then manager=brew; else manager=none; fi
packages=$(missing | xargs)
[ -n "$packages" ] || exit 0

if [ "$manager" = apt ] && ! as_root true 2>/dev/null; then
	echo "missing: $packages. Run: sudo apt-get install $packages" >&2
	exit 1
fi
case $manager in
apt)
	echo "installing $packages with apt-get"
	as_root apt-get update -qq
	# shellcheck disable=SC2086 # one word a package
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
	;;
brew)
	echo "installing $packages with brew"
	# shellcheck disable=SC2086 # one word a package
	brew install --quiet $packages
	;;
none)
	echo "missing: $packages. Install them with your system's package manager (the names may differ)." >&2
	exit 1
	;;
esac

packages=$(missing | xargs)
if [ -n "$packages" ]; then
	echo "still missing after the installation: $packages" >&2
	exit 1
fi
