#!/bin/sh
# Ask innkeep from a shell, with nothing but nc: sh ask.sh "why is the sky blue?"
# Every line is a JSON object; with jq only the text:  sh ask.sh "..." | jq -rj 'select(.type == "delta").text // empty'
set -eu
socket=${INNKEEP_SOCKET:-${INNKEEP_HOME:-$HOME/.innkeep}/innkeepd.sock}
question=$(printf '%s' "${*:-왜 하늘은 파란가?}" | tr '\n\t' '  ' | sed 's/\\/\\\\/g; s/"/\\"/g')

# At the end of its input a Mac's nc closes its sending side by itself, others do with -N (which a Mac's nc takes for
# something else). The daemon answers what is open and then closes too, so that nc ends.
case $(uname) in
Darwin) half_close= ;;
*) half_close=-N ;;
esac
printf '{"type":"chat","id":1,"messages":[{"role":"user","content":"%s"}]}\n' "$question" | nc $half_close -U "$socket"
