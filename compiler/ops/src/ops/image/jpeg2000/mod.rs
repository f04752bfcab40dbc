//! JPEG 2000 (ISO/IEC 15444-1): a bare codestream or one in a JP2 file, of what Pillow has images of: shades, RGB, sYCC, CMYK
//! (each with or without an alpha channel, which is left out) and palettes of bytes, of up to 31 bits a component.
//!
//! Decoded are both wavelets with every quantisation, tiles and their parts, layers, precincts, all orders of packets and
//! changes of them, components that have fewer samples, every style of coding passes, and regions of interest. Headers of
//! packets that lie elsewhere (PPM, PPT), transforms of colours of one's own (part 2) and high-throughput blocks (part 15)
//! aren't, and palettes of CMYK.
//!
//! Pixels are OpenJPEG's and Pillow's, floats of the irreversible transform included, and where Pillow is odd too: it lays no
//! palette's colour down twice, counts the samples of small components in its own way, lets a rounded 255.5 become 0, and of
//! shades of 16 bits all above 255 is white.
//!
//! A tile after the other is decoded: `header` says what it is coded with, `tile` what it consists of, `order` calls
//! `packets` for each packet, which find the code-blocks' data; `blocks` decodes them with the arithmetic decoder of `mq`,
//! `wavelet` makes samples of the coefficients, `samples` pixels. `boxes` reads the file around a codestream.

mod blocks;
mod boxes;
mod header;
mod mq;
mod order;
mod packets;
mod samples;
mod tile;
mod wavelet;

use super::stream::{Info, Stream, broken_if};
use super::{Format, Work};
use crate::code::{Bool, Int, Variable};
use boxes::kind;
use header::{CODING, Coding, Main, Part};
use tile::{Needs, Places, RESOLUTIONS, Tile};

pub(super) const FORMAT: Format =
    Format { name: "jpeg2000", signature, probe, decode, figures: Some(mq::figures), inner: false };

/// Places in the tables: states of the contexts, levels of a tag tree, changes of order, what components are coded with,
/// where their resolutions' precincts are, and the palette; then what hangs on the image's size.
const CONTEXTS: i64 = 0;
const LEVELS: i64 = 32;
const CHANGES: i64 = LEVELS + 64;
const CODINGS: i64 = CHANGES + order::ORDERS;
const PRECINCTS: i64 = CODINGS + CODING;
const PALETTE: i64 = PRECINCTS + RESOLUTIONS * header::COMPONENTS;
const SIZED: i64 = PALETTE + 4 * 256;
/// Numbers of a part of a tile: the next one of the tile (0: none), and where it is.
const PART: i64 = 2;
/// Flags of a code-block, with a border: 4096 samples of up to 1024 in a row.
const FLAGS: i64 = 1026 * 6 + 1026;

fn signature<'c>(s: &Stream<'c>) -> Bool<'c> {
    s.has(0, b"\0\0\0\x0cjP  ") | s.has(0, &[0xff, 0x4f, 0xff, 0x51])
}

fn probe<'c>(s: &Stream<'c>, info: &Info<'c>) {
    let (c, main) = (s.c, Main::new(s));
    main.check(s, info);
    let what = main.kind(s);
    info.refuse_if(what.lt(0) | s.len.gt(i64::from(i32::MAX)));
    info.refuse_if(what.eq(kind::PALETTE) & !main.boxes.plain_palette(s));
    let coding = Coding::new(s, info.memory(), Info::SCRATCH, main.count);
    let (at, parts, most) = (c.var("part", main.parts), c.var("parts", 0), c.var("most", 0));
    c.while_true(
        || Part::is_at(s, at),
        || {
            let part = Part::new(s, at.now());
            info.break_if(part.is_broken(s) | part.tile.ge(main.tiles[0] * main.tiles[1]));
            // A tile's first part says how it is coded.
            c.when(part.number.eq(0), || {
                coding.read(&main, &part);
                coding.check(info);
                info.break_if(!can_mix(&main, &coding, s));
                let needs = Needs::new(&Tile::new(s, &main, coding, part.tile));
                // A component of one shade takes a bit a resolution, so a stream's length says nothing of the samples.
                info.refuse_if(needs.samples.gt(1 << 26) | needs.words().gt(1 << 29));
                most.set(most.max(needs.words()));
            });
            parts.add(1);
            at.set(part.end);
        },
    );
    info.break_if(parts.eq(0));
    info.accept(main.width(), main.height(), s.len, FLAGS);
    info.set(Info::WORDS, most + parts * PART + main.tiles[0] * main.tiles[1] * 2 + SIZED);
}

/// Are the first three components alike, if they are mixed?
fn can_mix<'c>(main: &Main<'c>, coding: &Coding<'_, 'c>, s: &Stream<'c>) -> Bool<'c> {
    let c = s.c;
    let different = c.var("different", 0);
    c.each(0, main.count.min(3), |k| {
        let [x, y] = main.steps(s, k);
        let [x0, y0] = main.steps(s, c.int(0));
        let same = x.eq(x0) & y.eq(y0) & coding.halvings(k).eq(coding.halvings(c.int(0)));
        different.set(different | (!same).int());
    });
    different.eq(0) | coding.mixed().eq(0) | main.count.lt(3)
}

fn decode(w: &Work) {
    let (c, s, t) = (w.c, &w.stream, w.tables);
    let main = Main::new(s);
    let heads = c.int(SIZED);
    let tiles = main.tiles[0] * main.tiles[1];
    let free = parts(w, &main, heads, tiles);
    let what = main.kind(s);
    c.when(what.eq(kind::PALETTE), || main.boxes.palette(s, t, PALETTE));
    c.each(0, tiles, |k| {
        let head = t.at(heads + k);
        broken_if(c, head.eq(0));
        let first = Part::new(s, t.at(head + 1));
        broken_if(c, first.number.ne(0));
        let coding = Coding::new(s, t, CODINGS, main.count);
        coding.read(&main, &first);
        let tile = Tile::new(s, &main, coding, k);
        let needs = Needs::new(&tile);
        let places = Places::new(t, PRECINCTS, free.now(), &needs);
        places.clear(&tile, &needs);
        let packets = packets::Packets::new(w, &main, &tile, &needs, &places, head);
        order::read(&packets, &main, &first, CHANGES);
        components(w, &tile, &places, what);
        samples::finish(w, &main, &tile, &places);
        samples::pixels(w, &main, &tile, &places, PALETTE, needs.samples.now());
    });
}

/// Lists the parts of each tile: a list begins where `heads` says, 0 if it is empty. Gives the first place behind.
fn parts<'c>(w: &Work<'c>, main: &Main<'c>, heads: Int<'c>, tiles: Int<'c>) -> Variable<'c> {
    let (c, s, t) = (w.c, &w.stream, w.tables);
    let tails = heads + tiles;
    t.fill(heads, tiles * 2, 0);
    let (at, free) = (c.var("part", main.parts), c.var("free", tails + tiles));
    c.while_true(
        || Part::is_at(s, at),
        || {
            let part = Part::new(s, at.now());
            let last = t.at(tails + part.tile);
            t.put(last.eq(0).pick(heads + part.tile, last), free);
            t.put(tails + part.tile, free);
            t.put(free, 0);
            t.put(free + 1, at);
            free.add(PART);
            at.set(part.end);
        },
    );
    free
}

/// Decodes the components that become colours.
fn components<'c>(w: &Work<'c>, tile: &Tile<'_, 'c>, places: &Places<'c>, what: Int<'c>) {
    let (c, start) = (w.c, w.c.var("start", places.samples));
    let blocks = blocks::Blocks::new(w, tile, places);
    let used = what.eq(kind::CMYK).pick(4, what.ge(kind::RGB).pick(3, 1));
    c.each(0, tile.count.min(used), |k| {
        blocks.component(k, start.now());
        wavelet::component(w, tile, places, k, start.now());
        let [left, top, right, bottom] = tile.component(k);
        start.add((right - left) * (bottom - top));
    });
}
