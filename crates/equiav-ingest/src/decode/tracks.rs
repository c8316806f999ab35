//! Which of a file's tracks are heard and seen: those that players take by default.

/// The numbers of a file's two tracks, where they are not the first of their kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tracks {
    video: Option<usize>,
    sound: Option<usize>,
}

impl Tracks {
    /// The first of each kind.
    pub(crate) const FIRST: Self = Self { video: None, sound: None };

    /// The first of each kind among those that are marked as default, else the first of all, by the lines
    /// that FFmpeg `told` about its input.
    pub(crate) fn by_default(told: &[String]) -> Self {
        let (mut videos, mut sounds) = (Vec::new(), Vec::new());
        let of_input = told.iter().take_while(|line| !ends_the_input(line));
        for (number, line) in of_input.filter_map(|line| stream(line)) {
            if let Some((_, facts)) = line.split_once(": Video: ") {
                // A cover is a picture beside the sound.
                if !facts.contains("(attached pic)") {
                    videos.push((number, facts.contains("(default)")));
                }
            } else if let Some((_, facts)) = line.split_once(": Audio: ") {
                sounds.push((number, facts.contains("(default)")));
            }
        }
        let other = |tracks: &[(usize, bool)]| {
            let place = tracks.iter().position(|(_, default)| *default)?;
            (place > 0).then(|| tracks[place].0)
        };
        Self { video: other(&videos), sound: other(&sounds) }
    }

    /// FFmpeg's name of the video track; a cover is none.
    pub(crate) fn video(self) -> String {
        self.video.map_or_else(|| "0:V:0".to_owned(), |number| format!("0:{number}"))
    }

    /// The codec of the video track, by the lines that FFmpeg `told` about its input.
    pub(crate) fn video_codec(self, told: &[String]) -> Option<String> {
        let of_input = told.iter().take_while(|line| !ends_the_input(line));
        let mut videos = of_input.filter_map(|line| stream(line)).filter_map(|(number, line)| {
            let (_, facts) = line.split_once(": Video: ")?;
            (!facts.contains("(attached pic)")).then_some((number, facts))
        });
        let (_, facts) =
            videos.find(|(number, _)| self.video.is_none_or(|wanted| wanted == *number))?;
        facts.split([' ', ',']).next().map(str::to_owned)
    }

    /// FFmpeg's name of the sound track.
    pub(crate) fn sound(self) -> String {
        self.sound.map_or_else(|| "0:a:0".to_owned(), |number| format!("0:{number}"))
    }
}

fn ends_the_input(line: &str) -> bool {
    line.starts_with("Stream mapping") || line.starts_with("Output #")
}

/// The number of the stream that `line` is about, and the rest of it.
fn stream(line: &str) -> Option<(usize, &str)> {
    let rest = line.trim_start().strip_prefix("Stream #0:")?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    Some((rest[..end].parse().ok()?, &rest[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(streams: &str, video: &str, sound: &str) {
        let told: Vec<String> = streams.lines().map(str::to_owned).collect();
        let tracks = Tracks::by_default(&told);
        assert_eq!((tracks.video().as_str(), tracks.sound().as_str()), (video, sound));
    }

    #[test]
    fn the_default_is_taken_and_else_the_first() {
        check(
            "Input #0, mov,mp4, from 'x':
  Stream #0:0[0x1](und): Video: mpeg4 (mp4v / 0x7634706D), yuv420p, 64x48, 16k tbn
    Metadata:
      title           : (default)
  Stream #0:1[0x2](und): Video: mpeg4 (mp4v / 0x7634706D), 64x48, 16k tbn (default)
  Stream #0:2[0x3](und): Audio: aac (LC) (mp4a / 0x6134706D), mono, fltp, 69 kb/s
  Stream #0:3[0x4](eng): Audio: aac (LC) (mp4a / 0x6134706D), mono, fltp (default)",
            "0:1",
            "0:3",
        );
        check(
            "  Stream #0:0: Audio: mp3, 44100 Hz\n  Stream #0:1: Video: png (attached pic) (default)
  Stream #0:2: Audio: aac\nStream mapping:\n  Stream #0:2: Audio: aac (default)",
            "0:V:0",
            "0:a:0",
        );
        check("", "0:V:0", "0:a:0");
        check(
            "  Stream #0:0: Video: h264 (default)\n  Stream #0:1: Audio: aac (default)",
            "0:V:0",
            "0:a:0",
        );
    }
}
