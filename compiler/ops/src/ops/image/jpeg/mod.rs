//! JPEG (ITU-T T.81): baseline, extended and progressive streams of 8 bits, Huffman-coded or arithmetic, grey, of three
//! components or of four (CMYK and Adobe's YCCK), with what restarts and sampling factors there are. Does NOT decode 12 bits,
//! lossless and hierarchical streams, two components, and sampling factors that don't divide the greatest ones: Pillow
//! doesn't open them.
//!
//! All scans fill one array of coefficients; `entropy` and `arithmetic` read them, `transform` makes samples of them, `color`
//! pixels.

mod arithmetic;
mod color;
mod entropy;
mod segments;
mod transform;

use super::stream::{Info, Stream, broken_if};
use super::{Format, Work};
use crate::code::{Bool, Code, Int, Memory, Variable};

pub(super) const FORMAT: Format = Format {
    name: "jpeg",
    signature: |s| s.has(0, &[0xff, 0xd8, 0xff]),
    probe,
    decode,
    figures: Some(arithmetic::figures),
    inner: false,
};

/// Places in the tables: quantisation, 4 of 64 in natural order.
const QUANTS: i64 = 0;
/// Huffman tables: 4 for DC, 4 for AC, each with how many codes there are of each length, and the values.
const CODES: i64 = QUANTS + 4 * 64;
const CODE: i64 = 17 + 256 + 15;
/// The natural place of each coefficient of a stream; some more, for runs beyond the end.
const ORDER: i64 = CODES + 8 * CODE;
/// Components, see [`Component`].
const COMPONENTS: i64 = ORDER + 80;
/// The components of the scan.
const SCAN: i64 = COMPONENTS + 4 * 16;
/// A block being transformed.
const BLOCK: i64 = SCAN + 8;
/// What arithmetic coding hangs on (DAC): two limits of differences for each of 4 DC tables, one place for each AC table.
const LIMITS: i64 = BLOCK + 64;
/// Its bins.
const BINS: i64 = LIMITS + 12;
const END: i64 = BINS + arithmetic::ALL_BINS;
const _: () = assert!(END <= Info::TABLES);

/// The numbers of a component in the tables.
#[derive(Clone, Copy)]
struct Component<'c> {
    t: Memory<'c>,
    first: Int<'c>,
}

macro_rules! fields {
    ($($name:ident $at:literal $doc:literal;)*) => { $(
        #[doc = $doc]
        #[allow(dead_code, reason = "the list is of all fields")]
        fn $name(self) -> Int<'c> { self.t.at(self.first + $at) }
    )* };
}

impl<'c> Component<'c> {
    fn of(t: Memory<'c>, k: Int<'c>) -> Self {
        Component { t, first: k * 16 + COMPONENTS }
    }
    fn set(self, at: i64, v: Int<'c>) {
        self.t.put(self.first + at, v);
    }
    fields! {
        id 0 "Its name.";
        h 1 "Its horizontal sampling factor.";
        v 2 "Its vertical one.";
        quant 3 "Its table of quantisation steps.";
        dc 4 "Its Huffman table for DC coefficients.";
        ac 5 "The one for AC coefficients.";
        pred 6 "The DC coefficient of the block before.";
        across 7 "Blocks of a row, as there is room for them.";
        start 8 "The first block.";
        width 9 "Samples of a row of the image.";
        height 10 "Rows of the image.";
        down 11 "Blocks of a column.";
        context 12 "Of arithmetic coding: what the DC coefficient's last difference was.";
    }
}

/// What the frame header says.
#[derive(Clone, Copy)]
struct Frame<'c> {
    at: Variable<'c>,
    kind: Variable<'c>,
    width: Int<'c>,
    height: Int<'c>,
    count: Int<'c>,
    /// The greatest sampling factors.
    h: Variable<'c>,
    v: Variable<'c>,
}

impl<'c> Frame<'c> {
    /// Where component `k` is.
    fn component(&self, k: Int<'c>) -> Int<'c> {
        self.at + k * 3 + 10
    }
    fn factors(&self, s: &Stream<'c>, k: Int<'c>) -> [Int<'c>; 2] {
        let both = s.byte(self.component(k) + 1);
        [both >> 4, both & 15]
    }
    pub fn is_arithmetic(&self) -> Bool<'c> {
        self.kind.eq(0xc9) | self.kind.eq(0xca)
    }
    /// Units of all components' blocks, along both axes.
    fn units(&self) -> [Int<'c>; 2] {
        [self.width.over_up(self.h * 8), self.height.over_up(self.v * 8)]
    }
}

/// Is it the marker of a frame: SOF0 to SOF15, among which are three of others?
fn is_frame<'c>(marker: Int<'c>) -> Bool<'c> {
    let other = marker.eq(0xc4) | marker.eq(0xc8) | marker.eq(0xcc);
    marker.ge(0xc0) & marker.le(0xcf) & !other
}

/// Finds the frame's header; its kind is 0 if there is none.
fn frame<'c>(s: &Stream<'c>) -> Frame<'c> {
    let c = s.c;
    let (at, kind) = (c.var("at", 2), c.var("kind", 0));
    c.while_true(
        || at.lt(s.len),
        || {
            let marker = s.byte(at + 1);
            c.when(s.byte(at).ne(0xff) | marker.eq(0xda) | marker.eq(0xd9), || c.stop());
            c.when(is_frame(marker), || {
                kind.set(marker);
                c.stop();
            });
            let size = s.big(at + 2, 2) + 2;
            let alone = marker.eq(1) | (marker.ge(0xd0) & marker.le(0xd7));
            at.add(marker.eq(0xff).pick(1, alone.pick(2, size)));
        },
    );
    let (width, height, count) = (s.big(at + 7, 2), s.big(at + 5, 2), s.byte(at + 9));
    let f = Frame { at, kind, width, height, count, h: c.var("h", 1), v: c.var("v", 1) };
    c.each(0, count.min(4), |k| {
        let [h, v] = f.factors(s, k);
        f.h.set(f.h.max(h));
        f.v.set(f.v.max(v));
    });
    f
}

fn probe<'c>(s: &Stream<'c>, info: &Info<'c>) {
    let (c, f) = (s.c, frame(s));
    info.break_if(f.kind.eq(0) | (f.at + 10).gt(s.len));
    let arithmetic = f.is_arithmetic();
    info.refuse_if((f.kind.gt(0xc2) & !arithmetic) | s.byte(f.at + 4).ne(8));
    info.refuse_if(!(f.count.eq(1) | f.count.eq(3) | f.count.eq(4)));
    info.check_size(f.width, f.height);
    let (blocks, [across, down]) = (c.var("blocks", 0), f.units());
    c.each(0, f.count, |k| {
        let [h, v] = f.factors(s, k);
        info.break_if(h.lt(1) | h.gt(4) | v.lt(1) | v.gt(4));
        info.refuse_if((f.h.over(h) * h).ne(f.h) | (f.v.over(v) * v).ne(f.v));
        blocks.add(across * h * down * v);
    });
    // A block is a bit at least, or a part of one that is as small as can be.
    info.refuse_if(arithmetic & blocks.gt(1 << 20));
    c.when(!arithmetic, || info.check_ratio(blocks * 64, s, 512));
    info.accept(f.width, f.height, blocks * 64, blocks * 64);
}

fn decode(w: &Work) {
    let (c, s, t) = (w.c, &w.stream, w.tables);
    let f = frame(s);
    w.halves.fill(0, w.info.get(Info::HALVES), 0);
    t.fill(0, LIMITS + 8, 0);
    (0..4).for_each(|k| t.put(LIMITS + 2 * k + 1, 1));
    t.fill(LIMITS + 8, 4, 5);
    order(c, t);
    components(w, &f);
    let told = segments::Told::new(c);
    let at = c.var("segment", 2);
    let scans = c.var("scans", 0);
    c.repeat(|| {
        // Past what is left of the data before.
        c.while_true(|| !segments::marker_at(s, at.now()), || at.add(1));
        let marker = s.byte(at + 1);
        c.when(marker.eq(0xd9) | ((at + 1).ge(s.len) & scans.gt(0)), || c.stop());
        let end = at + 2 + s.big(at + 2, 2);
        broken_if(c, end.gt(s.len));
        segments::read(w, &told, marker, at + 4, end);
        at.set(end);
        c.when(marker.eq(0xda), || {
            entropy::scan(w, &f, &told, at);
            scans.add(1);
        });
    });
    broken_if(c, scans.eq(0));
    transform::blocks(w, f.count);
    color::pixels(w, &f, &told);
}

/// Zigzag (T.81, figure 5): along diagonals, up and down in turn.
fn order<'c>(c: &'c Code, t: Memory<'c>) {
    let (x, y) = (c.var("x", 0), c.var("y", 0));
    t.fill(ORDER, 80, 63);
    c.each(0, 64, |k| {
        t.put(k + ORDER, y * 8 + x);
        let up = ((x + y) & 1).eq(0);
        let (nx, ny) = (up.pick(x + 1, x - 1), up.pick(y - 1, y + 1));
        let (right, bottom) = (nx.gt(7), ny.gt(7));
        let (old_x, old_y) = (x.now(), y.now());
        x.set(right.pick(old_x, bottom.pick(old_x + 1, nx.max(0))));
        y.set(right.pick(old_y + 1, bottom.pick(old_y, ny.max(0))));
    });
}

/// The components' numbers.
fn components<'c>(w: &Work<'c>, f: &Frame<'c>) {
    let (c, s) = (w.c, &w.stream);
    let start = c.var("start", 0);
    let [across, down] = f.units();
    c.each(0, f.count, |k| {
        let comp = Component::of(w.tables, k);
        let [h, v] = f.factors(s, k);
        let all = [
            s.byte(f.component(k)),
            h,
            v,
            s.byte(f.component(k) + 2) & 3,
            c.int(0),
            c.int(0),
            c.int(0),
            across * h,
            start.now(),
            (f.width * h).over_up(f.h),
            (f.height * v).over_up(f.v),
            down * v,
        ];
        all.into_iter().enumerate().for_each(|(at, v)| comp.set(at as i64, v));
        start.add(across * h * down * v);
    });
}
