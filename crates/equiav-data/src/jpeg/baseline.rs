//! Baseline JPEG, the common kind, to the levels of libjpeg: headers, and rows of blocks to planes.
//!
//! What is not of that kind, or not whole, is `None`, for another decoder to do or to refuse.

use equiav_augment::Image;
use multiversion::multiversion;
use ndarray::Array3;

use super::color;
use super::entropy::{Bits, Table};
use super::transform::{Block, inverse};
use crate::picture::check_size;

const START_OF_IMAGE: u8 = 0xd8;
const END_OF_IMAGE: u8 = 0xd9;
const BASELINE_FRAME: u8 = 0xc0;
const HUFFMAN_TABLES: u8 = 0xc4;
const START_OF_SCAN: u8 = 0xda;
const QUANTIZERS: u8 = 0xdb;
const RESTART_INTERVAL: u8 = 0xdd;
const ADOBE: u8 = 0xee;
/// The most blocks of a component in a unit.
const MOST_BLOCKS: usize = 4;
/// More than the first coefficient of any picture of eight bits comes to.
const LARGEST_DC: i32 = 4_095;

/// Decodes `bytes` if they are a whole baseline JPEG of one component or three.
pub(super) fn decode(bytes: &[u8]) -> Option<Image> {
    let mut headers = Headers::default();
    let scan = headers.read(bytes)?;
    let frame = headers.frame.take()?;
    let planes = decode_scan(&headers, &frame, scan)?;
    let pixels = color::pixels(&planes, frame.width, frame.height)?;
    let pixels = Array3::from_shape_vec((frame.height, frame.width, 3), pixels);
    pixels.ok().map(Image::new)
}

/// What the segments before the scan say.
#[derive(Default)]
struct Headers {
    frame: Option<Frame>,
    quantizers: [Option<[i32; 64]>; 4],
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    restart: usize,
}

struct Frame {
    width: usize,
    height: usize,
    components: Vec<Component>,
}

/// A component: its identifier, its blocks in a unit, and the numbers of its tables.
struct Component {
    name: u8,
    across: usize,
    down: usize,
    quantizer: usize,
    dc: usize,
    ac: usize,
}

/// The levels of a component, a whole number of blocks each way.
pub(super) struct Plane {
    pub(super) levels: Vec<u8>,
    pub(super) stride: usize,
    /// Columns and rows of the picture for each of the component's: 1 or 2.
    pub(super) shrunk: [usize; 2],
}

impl Headers {
    /// Reads up to the scan, whose data are returned.
    fn read<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let mut rest = bytes.strip_prefix(&[0xff, START_OF_IMAGE])?;
        loop {
            let [0xff, marker, high, low, ..] = *rest else { return None };
            let length = usize::from(u16::from_be_bytes([high, low]));
            let segment = rest.get(4..2 + length)?;
            rest = &rest[2 + length..];
            match marker {
                BASELINE_FRAME => self.frame = Some(frame(segment)?),
                HUFFMAN_TABLES => self.read_tables(segment)?,
                QUANTIZERS => self.read_quantizers(segment)?,
                RESTART_INTERVAL => {
                    let &[high, low] = segment else { return None };
                    self.restart = usize::from(u16::from_be_bytes([high, low]));
                }
                START_OF_SCAN => return self.read_scan(segment).map(|()| rest),
                // A transform other than the usual one to luma and chroma.
                ADOBE if segment.get(11) != Some(&1) => return None,
                0xe0..=0xef | 0xfe => {}
                _ => return None,
            }
        }
    }

    fn read_quantizers(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&number, rest)) = segment.split_first() {
            let (steps, rest) = rest.split_first_chunk::<64>()?;
            *self.quantizers.get_mut(usize::from(number))? = Some(steps.map(i32::from));
            segment = rest;
        }
        Some(())
    }

    fn read_tables(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&number, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let (symbols, rest) =
                rest.split_at_checked(counts.iter().copied().map(usize::from).sum())?;
            let tables = match number >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return None,
            };
            *tables.get_mut(usize::from(number & 15))? = Some(Table::new(counts, symbols)?);
            segment = rest;
        }
        Some(())
    }

    /// Reads which tables the components use; the scan must hold all of them, whole.
    fn read_scan(&mut self, segment: &[u8]) -> Option<()> {
        let components = &mut self.frame.as_mut()?.components;
        let (&count, rest) = segment.split_first()?;
        let (choices, rest) = rest.split_at_checked(2 * usize::from(count))?;
        if usize::from(count) != components.len() || rest != [0, 63, 0] {
            return None;
        }
        for (component, choice) in components.iter_mut().zip(choices.as_chunks::<2>().0) {
            if component.name != choice[0] {
                return None;
            }
            component.dc = usize::from(choice[1] >> 4);
            component.ac = usize::from(choice[1] & 15);
        }
        Some(())
    }
}

fn frame(segment: &[u8]) -> Option<Frame> {
    let [8, h1, h0, w1, w0, count, rest @ ..] = segment else { return None };
    let size = |high: &u8, low: &u8| usize::from(u16::from_be_bytes([*high, *low]));
    let (height, width) = (size(h1, h0), size(w1, w0));
    check_size(width as u64, height as u64).ok()?;
    let (chunks, []) = rest.as_chunks::<3>() else { return None };
    if chunks.len() != usize::from(*count) {
        return None;
    }
    let component = |&[name, sampling, quantizer]: &[u8; 3]| Component {
        name,
        across: usize::from(sampling >> 4),
        down: usize::from(sampling & 15),
        quantizer: quantizer.into(),
        dc: 0,
        ac: 0,
    };
    let mut components: Vec<Component> = chunks.iter().map(component).collect();
    match &mut components[..] {
        // The blocks of a lone component stand one after another, whatever it says.
        [grey] => (grey.across, grey.down) = (1, 1),
        [luma, blue, red] => {
            let chroma_once = [&*blue, &*red].iter().all(|c| (c.across, c.down) == (1, 1));
            let known = matches!((luma.across, luma.down), (1, 1) | (2, 1) | (2, 2));
            let named = [luma.name, blue.name, red.name] == [1, 2, 3];
            if !chroma_once || !known || !named {
                return None;
            }
        }
        _ => return None,
    }
    Some(Frame { width, height, components })
}

impl Frame {
    /// Units across and down.
    fn units(&self) -> [usize; 2] {
        let luma = &self.components[0];
        [self.width.div_ceil(8 * luma.across), self.height.div_ceil(8 * luma.down)]
    }

    /// Black planes.
    fn planes(&self) -> Vec<Plane> {
        let (luma, [across, down]) = (&self.components[0], self.units());
        let plane = |component: &Component| {
            let stride = 8 * across * component.across;
            let levels = vec![0; stride * 8 * down * component.down];
            let shrunk = [luma.across / component.across, luma.down / component.down];
            Plane { levels, stride, shrunk }
        };
        self.components.iter().map(plane).collect()
    }
}

/// What the blocks of a component are decoded with.
struct Tables<'a> {
    quantizer: &'a [i32; 64],
    dc: &'a Table,
    ac: &'a Table,
}

impl Headers {
    fn tables(&self, component: &Component) -> Option<Tables<'_>> {
        Some(Tables {
            quantizer: self.quantizers.get(component.quantizer)?.as_ref()?,
            dc: self.dc.get(component.dc)?.as_ref()?,
            ac: self.ac.get(component.ac)?.as_ref()?,
        })
    }
}

/// A block, and whether it has more than one coefficient.
type Coded = (Block, bool);

impl Tables<'_> {
    /// Decodes `blocks`; `last` is the first coefficient of the block before.
    #[inline(always)]
    fn decode(&self, bits: &mut Bits<'_>, last: &mut i32, blocks: &mut [Coded]) -> Option<()> {
        for (block, has_ac) in blocks {
            *last += self.dc.difference(bits)?;
            if last.abs() > LARGEST_DC {
                return None;
            }
            block.0[0] = *last * self.quantizer[0];
            *has_ac = self.ac.coefficients(bits, block, self.quantizer)?;
        }
        Some(())
    }
}

/// All of a scan as planes.
#[multiversion(targets("x86_64+avx+avx2+fma+bmi1+bmi2"))]
fn decode_scan(headers: &Headers, frame: &Frame, scan: &[u8]) -> Option<Vec<Plane>> {
    let ([units_across, units_down], mut planes) = (frame.units(), frame.planes());
    let tables = frame.components.iter().map(|component| headers.tables(component));
    let tables: Vec<_> = tables.collect::<Option<_>>()?;
    let (mut bits, mut last) = (Bits::new(scan), [0; 3]);
    let mut blocks: [Coded; MOST_BLOCKS] = std::array::from_fn(|_| Default::default());
    for unit in 0..units_across * units_down {
        if headers.restart > 0 && unit > 0 && unit % headers.restart == 0 {
            bits.restart(unit / headers.restart - 1)?;
            last = [0; 3];
        }
        let (x, y) = (unit % units_across, unit / units_across);
        for (number, (component, plane)) in frame.components.iter().zip(&mut planes).enumerate() {
            // All of them before the first is transformed, which then need not wait for its last
            // coefficient.
            let blocks = &mut blocks[..component.across * component.down];
            tables[number].decode(&mut bits, &mut last[number], blocks)?;
            for (part, (block, has_ac)) in blocks.iter_mut().enumerate() {
                let across = x * component.across + part % component.across;
                let down = y * component.down + part / component.across;
                let begin = 8 * (down * plane.stride + across);
                inverse(block, *has_ac, &mut plane.levels[begin..], plane.stride);
            }
        }
    }
    bits.end(END_OF_IMAGE).then_some(planes)
}
