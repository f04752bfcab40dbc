//! PNM: bitmaps, graymaps and pixmaps, as text (P1, P2, P3) and as bytes (P4, P5, P6), of up to 16 bits; graymaps of floats (Pf).
//!
//! Values are rounded to 8 bits as Pillow does, and so graymaps of more than 8 bits are white from 256 of 65536 on. Does NOT
//! read PAM (P7) and pixmaps of floats (PF), as Pillow doesn't.

use super::stream::{Info, Stream, broken_if};
use super::{Format, Work, convert};
use crate::code::{Bool, Int, Variable};

pub(super) const FORMAT: Format = Format { name: "pnm", signature, probe, decode, figures: None, inner: false };

fn signature<'c>(s: &Stream<'c>) -> Bool<'c> {
    let kind = s.byte(1) - i64::from(b'0');
    s.byte(0).eq(i64::from(b'P')) & (kind.ge(1) & kind.le(6) | is_float(s)) & space(s.byte(2))
}

fn is_float<'c>(s: &Stream<'c>) -> Bool<'c> {
    s.byte(1).eq(i64::from(b'f'))
}

/// Space, tab, line feed, vertical tab, form feed, carriage return.
fn space<'c>(byte: Int<'c>) -> Bool<'c> {
    byte.eq(32) | (byte.ge(9) & byte.le(13))
}

fn digit<'c>(byte: Int<'c>) -> Bool<'c> {
    byte.ge(i64::from(b'0')) & byte.le(i64::from(b'9'))
}

/// Goes past white space and comments.
fn skip<'c>(s: &Stream<'c>, at: Variable<'c>) {
    let c = s.c;
    let comment = c.var("comment", 0);
    c.repeat(|| {
        let byte = s.byte(at);
        let end = byte.eq(10) | byte.eq(13);
        comment.set((comment.eq(1) & !end).pick(1, byte.eq(i64::from(b'#')).int()));
        c.when(!(comment.eq(1) | space(byte)) | at.ge(s.len), || c.stop());
        at.add(1);
    });
}

/// The number after white space; -1 if there is none, or one beyond `most`.
fn number<'c>(s: &Stream<'c>, at: Variable<'c>, most: i64) -> Variable<'c> {
    let c = s.c;
    skip(s, at);
    let v = c.var("number", -1);
    c.while_true(
        || digit(s.byte(at)) & v.le(most),
        || {
            v.set(v.max(0) * 10 + (s.byte(at) - i64::from(b'0')));
            at.add(1);
        },
    );
    c.when(v.gt(most), || v.set(-1));
    v
}

/// Width, height, greatest value, and where the header ends.
fn header<'c>(s: &Stream<'c>) -> [Variable<'c>; 4] {
    let c = s.c;
    let at = c.var("at", 2);
    let fields: [Variable; 3] = ["width", "height", "most"].map(|n| c.var(n, 1));
    let bitmap = bitmap(s);
    c.each(0, (bitmap | is_float(s)).pick(2, 3), |k| {
        let v = number(s, at, 1 << 30);
        for (i, f) in fields.iter().enumerate() {
            f.set(k.eq(i as i64).pick(v, *f));
        }
    });
    let [width, height, most] = fields;
    [width, height, most, at]
}

fn bitmap<'c>(s: &Stream<'c>) -> Bool<'c> {
    let kind = s.byte(1);
    kind.eq(i64::from(b'1')) | kind.eq(i64::from(b'4'))
}

/// The number behind the size of an image of floats: is it other than 0, and is it below, which means that bytes are lowest first?
fn scale<'c>(s: &Stream<'c>, at: Variable<'c>) -> [Variable<'c>; 2] {
    let c = s.c;
    skip(s, at);
    let below = c.var("below", s.byte(at).eq(i64::from(b'-')).int());
    let (some, exponent) = (c.var("some", 0), c.var("exponent", 0));
    c.while_true(
        || at.lt(s.len) & !space(s.byte(at)),
        || {
            let byte = s.byte(at);
            exponent.set(exponent | (byte | 32).eq(i64::from(b'e')).int());
            let counts = digit(byte) & byte.ne(i64::from(b'0')) & exponent.eq(0);
            some.set(some | counts.int());
            at.add(1);
        },
    );
    [some, below]
}

/// Samples of a pixel.
fn samples<'c>(s: &Stream<'c>) -> Int<'c> {
    let kind = s.byte(1) - i64::from(b'0');
    (kind.eq(3) | kind.eq(6)).pick(3, 1)
}

/// Bytes of a row that is no text.
fn row<'c>(s: &Stream<'c>, width: Int<'c>, most: Int<'c>) -> Int<'c> {
    let bytes = is_float(s).pick(4, most.gt(255).pick(2, 1));
    bitmap(s).pick((width + 7) >> 3, width * samples(s) * bytes)
}

fn probe<'c>(s: &Stream<'c>, info: &Info<'c>) {
    let [width, height, most, at] = header(s);
    let (width, height) = (width.now(), height.now());
    info.break_if(most.lt(1) | most.gt(65535));
    info.check_size(width, height);
    s.c.when(is_float(s), || {
        let [scaled, _] = scale(s, at);
        info.break_if(scaled.eq(0));
    });
    let text = (s.byte(1) - i64::from(b'0')).le(3);
    info.break_if(text.pick(at + ((width * height) >> 1), at + 1 + row(s, width, most.now()) * height).gt(s.len));
    info.accept(width, height, 0, 0);
}

fn decode(w: &Work) {
    let (c, s) = (w.c, &w.stream);
    let [width, height, most, at] = header(s);
    let (width, height, most, bitmap) = (width.now(), height.now(), most.now(), bitmap(s));
    let kind = s.byte(1) - i64::from(b'0');
    let (text, samples) = (kind.le(3), samples(s));
    c.when(is_float(s), || {
        floats(w, width, height, at);
        c.leave_with(0);
    });
    // One white space character ends the header.
    c.when(!text, || at.add(1));
    let bytes = most.gt(255).pick(2, 1);
    let row = row(s, width, most);
    c.each(0, height, |y| {
        c.each(0, width, |x| {
            let rgb: [Variable; 3] = ["r", "g", "b"].map(|n| c.var(n, 0));
            c.each(0, samples, |k| {
                let v = c.var("v", 0);
                c.choose(
                    text,
                    || text_sample(w, bitmap, at, most, v),
                    || {
                        c.choose(
                            bitmap,
                            || v.set((s.byte(at + row * y + (x >> 3)) >> (c.int(7) - (x & 7))) & 1),
                            || {
                                let from = at + row * y + (x * samples + k) * bytes;
                                v.set(bytes.eq(2).pick(s.big(from, 2), s.byte(from)));
                            },
                        );
                    },
                );
                // A set bit is black.
                let v8 = convert::scaled(v.now().min(most), most, 255);
                let v16 = convert::scaled(v.now().min(most), most, 65535).min(255);
                let value = (samples.eq(1) & most.gt(255)).pick(v16, v8);
                v.set(bitmap.pick(v.eq(0).pick(255, 0), value));
                for (i, f) in rgb.iter().enumerate() {
                    f.set((samples.eq(1) | k.eq(i as i64)).pick(v, *f));
                }
            });
            w.pixels.put(y * width + x, rgb.map(Variable::now));
        });
    });
}

/// Rows of floats from the bottom up.
fn floats<'c>(w: &Work<'c>, width: Int<'c>, height: Int<'c>, at: Variable<'c>) {
    let (c, s) = (w.c, &w.stream);
    let [_, below] = scale(s, at);
    c.each(0, height, |y| {
        c.each(0, width, |x| {
            let from = at + 1 + ((height - 1 - y) * width + x) * 4;
            let v = below.eq(1).pick(s.little(from, 4), s.big(from, 4));
            w.pixels.put(y * width + x, [convert::float(v); 3]);
        });
    });
}

/// A number; in a bitmap one digit of 0 and 1, which may stand right beside the next.
fn text_sample<'c>(w: &Work<'c>, bitmap: Bool<'c>, at: Variable<'c>, most: Int<'c>, v: Variable<'c>) {
    let (c, s) = (w.c, &w.stream);
    c.choose(
        bitmap,
        || {
            skip(s, at);
            v.set(digit(s.byte(at)).pick(s.byte(at) - i64::from(b'0'), 2));
            at.add(1);
        },
        || v.set(number(s, at, 65535)),
    );
    broken_if(c, v.lt(0) | v.gt(bitmap.pick(1, most)));
}
