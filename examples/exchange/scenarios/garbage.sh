#!/bin/bash
# Sends COUNT datagrams that are no SIP, or nearly SIP, to 127.0.0.1:PORT, 10 ms apart.
# Usage: garbage.sh PORT COUNT
set -euo pipefail
port=${1:?usage: garbage.sh PORT COUNT}
count=${2:?usage: garbage.sh PORT COUNT}
for ((i = 0; i < count; i++)); do
    case $((i % 4)) in
    0) head -c $((RANDOM % 1400 + 1)) /dev/urandom ;;
    1) printf 'INVITE sip:bob@127.0.0.1 SIP/2.0\r\nVia: \r\n\r\n' ;;
    2) printf 'INVITE sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bKx\r\n' ;;
    3) printf 'SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@b>\r\nTo: <sip:a@b>\r\nCall-ID: %d\r\nCSeq: x\r\n\r\n' "$i" ;;
    esac >"/dev/udp/127.0.0.1/$port" || true # nobody there is no error
    sleep 0.01
done
