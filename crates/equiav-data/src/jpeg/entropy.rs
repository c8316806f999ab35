//! The Huffman codes of baseline JPEG: bits to differences and coefficients.

use super::transform::{Block, ZIGZAG};

/// Bits that are looked at together.
const LOOK: u32 = 11;

/// The bits of a scan.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
    /// The next bits, the first of them highest.
    next: u64,
    /// How many of them are there.
    count: u32,
    /// How many of those stand for bits behind the end.
    missing: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0, next: 0, count: 0, missing: 0 }
    }

    /// Makes at least 56 bits available.
    #[inline(always)]
    fn fill(&mut self) {
        let ahead = self.bytes.get(self.position..).and_then(<[u8]>::first_chunk::<8>);
        if let Some(word) = ahead.map(|bytes| u64::from_be_bytes(*bytes)) {
            const ONES: u64 = 0x0101_0101_0101_0101;
            // Whether no byte is 0xff, which could be a marker or have a zero stuffed behind it.
            if (!word).wrapping_sub(ONES) & word & (0x80 * ONES) == 0 {
                self.next |= word >> self.count;
                self.position += ((63 - self.count) >> 3) as usize;
                self.count |= 56;
                return;
            }
        }
        self.fill_slowly();
    }

    #[cold]
    #[inline(never)]
    fn fill_slowly(&mut self) {
        while self.count <= 56 {
            let byte = match self.bytes.get(self.position..) {
                Some([0xff, 0, ..]) => {
                    self.position += 2;
                    0xff
                }
                Some([byte, ..]) if *byte != 0xff => {
                    self.position += 1;
                    *byte
                }
                _ => {
                    self.missing += 8;
                    0
                }
            };
            self.next |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    #[inline(always)]
    fn skip(&mut self, count: u32) {
        self.next <<= count;
        self.count -= count;
    }

    /// The next `size` bits as JPEG codes a number of that size; 1 to 15 bits.
    #[inline(always)]
    fn number(&mut self, size: u32) -> i32 {
        let bits = (self.next >> (64 - size)) as i32;
        self.skip(size);
        if bits >> (size - 1) == 0 { bits - (1 << size) + 1 } else { bits }
    }

    /// Whether exactly this marker comes now, with nothing left before it; moves behind it.
    pub(super) fn end(&mut self, marker: u8) -> bool {
        let left = i64::from(self.count) - i64::from(self.missing);
        if !(0..8).contains(&left) {
            return false;
        }
        while self.bytes.get(self.position..self.position + 2) == Some(&[0xff, 0xff]) {
            self.position += 1;
        }
        let found = self.bytes.get(self.position..self.position + 2) == Some(&[0xff, marker]);
        (self.next, self.count, self.missing) = (0, 0, 0);
        self.position += 2;
        found
    }

    /// Moves behind restart marker `number`, counted from 0 round the eight there are.
    pub(super) fn restart(&mut self, number: usize) -> Option<()> {
        self.end(0xd0 + (number % 8) as u8).then_some(())
    }
}

/// A Huffman table.
pub(super) struct Table {
    /// For the next [`LOOK`] bits, what a whole coefficient among them is; 0 if there is none.
    whole: Box<[Coefficient; 1 << LOOK]>,
    /// For the next [`LOOK`] bits, length and symbol of the code; length 0 if it is longer.
    short: Box<[(u8, u8); 1 << LOOK]>,
    /// For each length, the first code behind those of that length, filled up to 16 bits.
    ends: [u32; 17],
    /// For each length, what leads from a code to its symbol.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

/// A coefficient that is decoded in one look.
#[derive(Clone, Copy, Default)]
struct Coefficient {
    value: i16,
    /// Zeros before it.
    run: u8,
    /// Bits of code and value; 0 where there is none.
    bits: u8,
}

impl Table {
    /// The table of `counts` codes of 1 to 16 bits; `None` if they are too many.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table = Self {
            whole: Box::new([Coefficient::default(); 1 << LOOK]),
            short: Box::new([(0, 0); 1 << LOOK]),
            ends: [0; 17],
            offsets: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut index) = (0_u32, 0_usize);
        for (length, count) in (1_u32..).zip(counts) {
            table.offsets[length as usize] = index as i32 - code as i32;
            for _ in 0..*count {
                if length <= LOOK {
                    let first = (code << (LOOK - length)) as usize;
                    let places = table.short.get_mut(first..first + (1 << (LOOK - length)))?;
                    places.fill((length as u8, *symbols.get(index)?));
                }
                code += 1;
                index += 1;
            }
            if code > 1 << length {
                return None;
            }
            table.ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        table.look_for_whole();
        Some(table)
    }

    /// Finds the bits that hold a code and the number behind it.
    fn look_for_whole(&mut self) {
        for (bits, (whole, (length, symbol))) in
            self.whole.iter_mut().zip(self.short.iter()).enumerate()
        {
            let (length, size) = (u32::from(*length), u32::from(symbol & 15));
            if length > 0 && size > 0 && length + size <= LOOK {
                let number = (bits >> (LOOK - length - size)) as i32 & ((1 << size) - 1);
                let negative = number >> (size - 1) == 0;
                let value = if negative { number - (1 << size) + 1 } else { number };
                let (run, bits) = (symbol >> 4, (length + size) as u8);
                *whole = Coefficient { value: value as i16, run, bits };
            }
        }
    }

    /// The next symbol; at least 16 bits must be there.
    #[inline(always)]
    fn symbol(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let (length, symbol) = self.short[(bits.next >> (64 - LOOK)) as usize];
        if length > 0 {
            bits.skip(length.into());
            return Some(symbol);
        }
        let code = (bits.next >> 48) as u32;
        let length = (LOOK as usize + 1..17).find(|length| code < self.ends[*length])?;
        let index = (code >> (16 - length)) as i32 + self.offsets[length];
        bits.skip(length as u32);
        self.symbols.get(usize::try_from(index).ok()?).copied()
    }

    /// The difference between a block's first coefficient and that of the block before.
    #[inline(always)]
    pub(super) fn difference(&self, bits: &mut Bits<'_>) -> Option<i32> {
        // Far behind the end: what comes of zeros is no picture.
        if bits.missing > 64 {
            return None;
        }
        bits.fill();
        match self.symbol(bits)? {
            0 => Some(0),
            size @ 1..=11 => Some(bits.number(size.into())),
            _ => None,
        }
    }

    /// The other coefficients, times their quantizers; whether there are any.
    #[inline(always)]
    pub(super) fn coefficients(
        &self,
        bits: &mut Bits<'_>,
        block: &mut Block,
        quantizer: &[i32; 64],
    ) -> Option<bool> {
        let mut place = 1;
        let mut any = false;
        'block: while place < 64 {
            bits.fill();
            // Two of at most LOOK bits and one of at most 26 are there without another look.
            for _ in 0..3 {
                let Coefficient { value, run, bits: taken } =
                    self.whole[(bits.next >> (64 - LOOK)) as usize];
                if taken == 0 {
                    match self.long(bits)? {
                        (0, 0) => break 'block,
                        (value, run) => {
                            place += run;
                            store(block, quantizer, place, value)?;
                        }
                    }
                    any = true;
                    place += 1;
                    continue 'block;
                }
                bits.skip(taken.into());
                place += usize::from(run);
                store(block, quantizer, place, value.into())?;
                any = true;
                place += 1;
                if place > 63 {
                    break 'block;
                }
            }
        }
        Some(any)
    }

    /// A coefficient that is longer than a look, and the zeros before it; two zeros at the end of
    /// the block, and 0 after 15 zeros for sixteen zeros.
    #[inline(always)]
    fn long(&self, bits: &mut Bits<'_>) -> Option<(i32, usize)> {
        let symbol = self.symbol(bits)?;
        match (symbol >> 4, symbol & 15) {
            (run @ (0 | 15), 0) => Some((0, run.into())),
            (run, size @ 1..=10) => Some((bits.number(size.into()), run.into())),
            _ => None,
        }
    }
}

/// Puts the coefficient that comes `place`th where it stands.
#[inline(always)]
fn store(block: &mut Block, quantizer: &[i32; 64], place: usize, value: i32) -> Option<()> {
    let step = quantizer.get(place)?;
    block.0[usize::from(ZIGZAG[place]) & 63] = value * step;
    Some(())
}
