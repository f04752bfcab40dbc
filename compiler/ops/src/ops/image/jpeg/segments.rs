//! The segments of a JPEG stream: tables, limits of arithmetic coding, restarts, what colours mean, and the header of a scan.

use super::super::Work;
use super::super::stream::{Stream, broken_if};
use super::{CODE, CODES, COMPONENTS, Component, LIMITS, ORDER, QUANTS, SCAN};
use crate::code::{Bool, Code, Int, Variable};

/// What segments have said.
pub(super) struct Told<'c> {
    /// Units between restarts, 0: none.
    pub restart: Variable<'c>,
    pub jfif: Variable<'c>,
    /// Adobe's number of a transform; -1: none was said.
    pub adobe: Variable<'c>,
    /// The scan's components, the coefficients that it has, and by how many bits they are shifted.
    pub count: Variable<'c>,
    pub first: Variable<'c>,
    pub last: Variable<'c>,
    pub high: Variable<'c>,
    pub low: Variable<'c>,
}

impl<'c> Told<'c> {
    pub fn new(c: &'c Code) -> Self {
        Told {
            restart: c.var("restart", 0),
            jfif: c.var("jfif", 0),
            adobe: c.var("adobe", -1),
            count: c.var("count", 0),
            first: c.var("first", 0),
            last: c.var("last", 63),
            high: c.var("high", 0),
            low: c.var("low", 0),
        }
    }
}

/// Is there a marker at a place, or does the stream end? A byte of 0xff in the data has a 0 behind it; restarts in data are
/// no segments.
pub(super) fn marker_at<'c>(s: &Stream<'c>, at: Int<'c>) -> Bool<'c> {
    let second = s.byte(at + 1);
    let data = second.eq(0) | second.eq(0xff) | (second.ge(0xd0) & second.le(0xd8));
    at.ge(s.len) | (s.byte(at).eq(0xff) & !data)
}

/// Reads the segment of a marker, whose contents are `at .. end`.
pub(super) fn read<'c>(w: &Work<'c>, told: &Told<'c>, marker: Int<'c>, at: Int<'c>, end: Int<'c>) {
    let (c, s) = (w.c, &w.stream);
    let at = c.var("place", at);
    c.when(marker.eq(0xdb), || c.while_true(|| at.lt(end), || quants(w, at, end)));
    c.when(marker.eq(0xc4), || c.while_true(|| at.lt(end), || codes(w, at, end)));
    c.when(marker.eq(0xcc), || c.while_true(|| at.lt(end), || limits(w, at)));
    c.when(marker.eq(0xdd), || told.restart.set(s.big(at, 2)));
    let word = |w: &[u8; 4]| s.big(at, 4).eq(i64::from(u32::from_be_bytes(*w)));
    c.when(marker.eq(0xe0) & word(b"JFIF"), || told.jfif.set(1));
    c.when(marker.eq(0xee) & word(b"Adob"), || told.adobe.set(s.byte(at + 11)));
    c.when(marker.eq(0xda), || scan_header(w, told, at.now()));
}

/// A table of quantisation, of 8 or 16 bits.
fn quants<'c>(w: &Work<'c>, at: Variable<'c>, end: Int<'c>) {
    let (c, s, t) = (w.c, &w.stream, w.tables);
    let wide = (s.byte(at) >> 4).ne(0).int();
    let table = (s.byte(at) & 3) * 64 + QUANTS;
    at.add(1);
    broken_if(c, (at + (wide + 1) * 64).gt(end));
    c.each(0, 64, |k| {
        let v = wide.eq(1).pick(s.big(at + k * 2, 2), s.byte(at + k));
        t.put(table + t.at(k + ORDER), v);
    });
    at.add((wide + 1) * 64);
}

/// A Huffman table.
fn codes<'c>(w: &Work<'c>, at: Variable<'c>, end: Int<'c>) {
    let (c, s, t) = (w.c, &w.stream, w.tables);
    let head = s.byte(at);
    let table = ((((head >> 4) & 1) * 4) + (head & 3)) * CODE + CODES;
    let (total, left) = (c.var("total", 0), c.var("left", 1));
    t.put(table, 0);
    c.each(1, 17, |len| {
        let count = s.byte(at + len);
        t.put(table + len, count);
        total.add(count);
        left.set(left * 2 - count);
        broken_if(c, left.lt(0));
    });
    broken_if(c, total.gt(256) | (at + total + 17).gt(end));
    c.each(0, total, |k| t.put(table + k + 17, s.byte(at + k + 17)));
    at.add(total + 17);
}

/// What a table of arithmetic coding hangs on: of DC coefficients the logarithms of two limits, of AC ones a place.
fn limits<'c>(w: &Work<'c>, at: Variable<'c>) {
    let (c, s, t) = (w.c, &w.stream, w.tables);
    let (head, v) = (s.byte(at), s.byte(at + 1));
    let table = head & 3;
    c.choose(
        (head >> 4).eq(0),
        || {
            broken_if(c, (v & 15).gt(v >> 4));
            t.put(table * 2 + LIMITS, v & 15);
            t.put(table * 2 + (LIMITS + 1), v >> 4);
        },
        || t.put(table + (LIMITS + 8), v),
    );
    at.add(2);
}

fn scan_header<'c>(w: &Work<'c>, told: &Told<'c>, at: Int<'c>) {
    let (c, s, t) = (w.c, &w.stream, w.tables);
    let count = s.byte(at);
    broken_if(c, count.lt(1) | count.gt(4));
    told.count.set(count);
    c.each(0, count, |k| {
        let (id, tables) = (s.byte(at + k * 2 + 1), s.byte(at + k * 2 + 2));
        let found = c.var("found", -1);
        // Absent components are called -1.
        c.each(0, 4, |i| {
            let there = t.at(i * 16 + (COMPONENTS + 1)).gt(0) & Component::of(t, i).id().eq(id);
            found.set((there & found.lt(0)).pick(i, found));
        });
        broken_if(c, found.lt(0));
        t.put(k + SCAN, found);
        let comp = Component::of(t, found.now());
        comp.set(4, (tables >> 4) & 3);
        comp.set(5, tables & 3);
    });
    let rest = at + count * 2 + 1;
    told.first.set(s.byte(rest));
    told.last.set(s.byte(rest + 1));
    told.high.set(s.byte(rest + 2) >> 4);
    told.low.set(s.byte(rest + 2) & 15);
    broken_if(c, told.last.gt(63) | told.first.gt(told.last) | told.low.gt(13));
    // Coefficients but the first come in scans of one component, unless all come at once.
    broken_if(c, told.first.gt(0) & told.count.gt(1));
}
