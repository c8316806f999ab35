#!/bin/sh
# Makes the tones beside it: 4000 samples of a 440 Hz sine of height 0.5 at 16 kHz.
# Made with ffmpeg n9.0.2 (libmp3lame, libvorbis): sh make.sh FFMPEG
set -e
cd "$(dirname "$0")"
make() {
    "$ffmpeg" -y -v error -f lavfi -i "sine=frequency=440:sample_rate=16000:duration=0.25" \
        -af "volume=4" -sample_fmt "$1" -ac 1 -fflags +bitexact -flags:a +bitexact -map_metadata -1 \
        -c:a "$2" "$3"
}
ffmpeg=${1:-ffmpeg}
make s16 flac tone.flac
make s16p libmp3lame tone.mp3
make fltp libvorbis tone.ogg
