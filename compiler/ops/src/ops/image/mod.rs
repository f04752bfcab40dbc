//! ImageDecoder (since 20): the pixels of an encoded picture, as [height, width, channels] of u8.
//!
//! The decoders are loops IR like everything else, a function of the program each ([`crate::code`]), so they need no library
//! and are the same in every backend. A function `image_probe` reads the header before the node runs, so that the pixels
//! and what a decoder works in have room; then `image_decode` calls the format's decoder.
//!
//! - `bmp`, `pnm`, `png`, `tiff`, `jpeg`, `webp`, `jpeg2000`: each says what of its format is decoded.
//! - `stream`: bytes, and the header's facts.
//! - `inflate`: what PNG and TIFF share; `low_bits`, `prefix`: bits and codes of it and of lossless WebP.
//! - `estimate`: what arithmetic JPEG and JPEG 2000 learn.
//! - `convert`: numbers of other kinds to bytes.
//! - `pixels`: colours to the output.
//!
//! As the standard says, a stream that isn't an image or is broken gives an empty output, here [0, width, channels]. A form
//! of a known format that isn't decoded ends the run with [`UNSUPPORTED`]. No stream makes a decoder read or write out of
//! bounds. Results are those of Pillow's `open` and `convert("RGB")` or `convert("L")`, so of libjpeg-turbo (its default
//! transform and upsampling), libwebp and OpenJPEG: an alpha channel is left out; of colours of 16 bits the upper 8 are taken,
//! but grey of 16 bits is white above 255.
//!
//! Does NOT decode GIF.

mod bmp;
mod convert;
mod estimate;
mod inflate;
mod jpeg;
mod jpeg2000;
mod low_bits;
mod pixels;
mod png;
mod pnm;
mod prefix;
mod stream;
mod tiff;
mod webp;

use super::elementwise::tensor_of;
use crate::code::{Code, Given, Memory};
use crate::prelude::*;
use onnxc_ir::loops::{Arg, Buf, BufKind, Callee, ConstId, FuncId, Ty, Value};
use pixels::Pixels;
use stream::{Info, Stream};

/// The status of a run whose image is of a known format, but of a form of it that isn't decoded: `Status::IMAGE`.
const UNSUPPORTED: i32 = 7;
/// What a decoder returns for a broken stream.
const BROKEN: i32 = -1;

/// ImageDecoder.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "ImageDecoder",
    versions: &[(20, import)],
    infer,
    lower: Lower::Routine(lower),
    extents: Some(extents),
};

/// A decoder: which streams are its, what their headers say, and the pixels.
struct Format {
    name: &'static str,
    /// Is this the start of such a stream?
    signature: for<'c> fn(&Stream<'c>) -> crate::code::Bool<'c>,
    /// Accepts the stream in the header's facts, or leaves the function.
    probe: for<'c> fn(&Stream<'c>, &Info<'c>),
    decode: for<'c> fn(&Work<'c>),
    /// A constant that it reads.
    figures: Option<fn() -> Vec<i16>>,
    /// Images inside may be JPEG streams.
    inner: bool,
}

/// In the order of their numbers, from 1 on. TIFF calls JPEG's decoder, which is made before.
const FORMATS: &[Format] =
    &[bmp::FORMAT, pnm::FORMAT, png::FORMAT, jpeg::FORMAT, tiff::FORMAT, webp::FORMAT, jpeg2000::FORMAT];
/// JPEG's place there.
const JPEG: usize = 3;

/// What a decoder has.
struct Work<'c> {
    c: &'c Code,
    stream: Stream<'c>,
    info: Info<'c>,
    pixels: Pixels<'c>,
    /// As many bytes, i16 and i32 as the probe has asked for, not initialised.
    bytes: Memory<'c>,
    halves: Memory<'c>,
    tables: Memory<'c>,
    /// The format's constant.
    figures: Option<Memory<'c>>,
    inner: Option<Inner<'c>>,
}

/// What a decoder has whose image has JPEG streams inside: the functions, and memory for a stream and its image.
struct Inner<'c> {
    probe: FuncId,
    decode: FuncId,
    stream: Memory<'c>,
    image: Memory<'c>,
}

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let format = n.str("pixel_format", "RGB")?;
    if !["RGB", "BGR", "Grayscale"].contains(&format.as_str()) {
        return Err(n
            .error("E2011", format!("attribute 'pixel_format' is '{format}'"))
            .expected("RGB, BGR or Grayscale"));
    }
    Ok(Attrs::default().with("pixel_format", Attr::Str(format)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let rank = tensor_of(cx, 0, DType::U8)?.rank();
    if rank != 1 {
        return Err(cx.error("E2005", format!("the stream has rank {rank}")).expected("a list of bytes (rank 1)"));
    }
    let rows = cx.fresh_extent(0, "rows", 0, None);
    let width = cx.fresh_extent(1, "width", 0, None);
    // What the decoder works in.
    cx.fresh_extent(2, "bytes", 0, None);
    cx.fresh_extent(3, "halves", 0, None);
    cx.fresh_extent(4, "words", 0, None);
    cx.fresh_extent(5, "inner", 0, None);
    cx.fresh_extent(6, "inner_image", 0, None);
    let height = cx.fresh_result(0, "height", 0, Some(rows));
    let channels = if cx.attrs().str("pixel_format") == Some("Grayscale") { 1 } else { 3 };
    cx.set_tensor(0, DType::U8, vec![height, width, Sym::int(channels)]);
    Ok(())
}

/// Reads the header: the buffer of its facts.
fn probed(cx: &mut RoutineCx) -> Result<(Buf, Value, Buf)> {
    let data = cx.opt(0).ok_or_else(|| cx.error("E2043", "the stream isn't at hand"))?;
    let probe = cx.function(probe());
    let info = cx.f.buf(DType::I64, BufKind::Stack(Info::LEN), "image");
    let len = cx.f.sym(&data.shape[0]);
    let args = vec![whole(data.buf), Arg::Value(len), whole(info)];
    let status = cx.f.call(Callee::Func(probe), args, Some(Ty::I32));
    cx.pass_status(status);
    Ok((data.buf, len, info))
}

fn whole(buf: Buf) -> Arg {
    Arg::Buf { buf, offset: None }
}

/// Height, width, and what the decoder needs of bytes, halves and words, and for an image inside.
fn extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let (_, _, info) = probed(cx)?;
    let all = [Info::HEIGHT, Info::WIDTH, Info::BYTES, Info::HALVES, Info::WORDS, Info::INNER, Info::INNER_IMAGE];
    Ok(all
        .map(|k| {
            let at = cx.f.int(k);
            cx.f.load(info, at, 1, None)
        })
        .to_vec())
}

fn lower(cx: &mut RoutineCx) -> Result<()> {
    let (data, len, info) = probed(cx)?;
    let out = cx.output(0).buf;
    let [bytes, halves, words, inner, image] = [2, 3, 4, 5, 6].map(|k| cx.extent(k) + 1);
    let bytes = cx.scratch("bytes", DType::U8, bytes);
    let halves = cx.scratch("halves", DType::I16, halves);
    let tables = cx.scratch("tables", DType::I32, words);
    let inner = cx.scratch("inner", DType::U8, inner);
    let image = cx.scratch("inner_image", DType::U8, image);
    let decode = decoders(cx);
    let mut args = vec![whole(data), Arg::Value(len)];
    args.extend([info, out, bytes, halves, tables, inner, image].map(whole));
    let status = cx.f.call(Callee::Func(decode), args, Some(Ty::I32)).expect("it returns a status");
    let broken = cx.f.scalar(Scalar::from_i64(DType::I32, i64::from(BROKEN)));
    let broken = cx.f.compare(CmpOp::Eq, status, broken);
    let zero = cx.f.scalar(Scalar::from_i64(DType::I32, 0));
    let status = cx.f.select(broken, zero, status);
    cx.pass_status(Some(status));
    let (none, at) = (cx.f.int(0), cx.f.int(Info::HEIGHT));
    let rows = cx.f.load(info, at, 1, None);
    let rows = cx.f.select(broken, none, rows);
    cx.define_result(0, rows);
    Ok(())
}

/// `image_probe(data, len, info)`: the header's facts.
fn probe() -> onnxc_ir::loops::Func {
    let code = Code::new("image_probe");
    {
        let c = &code;
        let stream = Stream::parameter(c);
        let info = Info::parameter(c, true);
        info.clear();
        c.when(stream.len.lt(Stream::LEAST), || c.leave_with(0));
        for (i, format) in FORMATS.iter().enumerate() {
            c.when((format.signature)(&stream), || {
                (format.probe)(&stream, &info);
                info.set(Info::FORMAT, i as i64 + 1);
                c.leave_with(0);
            });
        }
        c.when(stream.other_format(), || info.set(Info::FORMAT, Info::UNSUPPORTED));
    }
    code.finish()
}

/// A decoder's parameters.
fn parameters<'c>(c: &'c Code, format: &str, figures: Option<ConstId>, inner: Option<[FuncId; 2]>) -> Work<'c> {
    let stream = Stream::parameter(c);
    let info = Info::parameter(c, false);
    let out = c.memory("pixels", DType::U8, true);
    let bytes = c.memory("bytes", DType::U8, true);
    let halves = c.memory("halves", DType::I16, true);
    let tables = c.memory("tables", DType::I32, true);
    let inner = inner.map(|[probe, decode]| Inner {
        probe,
        decode,
        stream: c.memory("inner", DType::U8, true),
        image: c.memory("inner_image", DType::U8, true),
    });
    let figures = figures.map(|id| c.table(id, DType::I16, "figures"));
    Work { c, stream, info, pixels: Pixels::new(out, format), bytes, halves, tables, figures, inner }
}

/// The decoders, in the order of the formats.
fn each_decoder(cx: &mut RoutineCx, pixel_format: &str, probe: FuncId) -> Vec<FuncId> {
    let mut all = vec![];
    for format in FORMATS {
        let code = Code::new(&format!("image_{}", format.name));
        let figures = format.figures.map(|f| f()).map(|f| Tensor::from_slice(&[f.len()], &f));
        let figures = figures.map(|f| cx.table(&format!("image_{}_figures", format.name), &f));
        let inner = all.get(JPEG).filter(|_| format.inner).map(|&jpeg| [probe, jpeg]);
        (format.decode)(&parameters(&code, pixel_format, figures, inner));
        all.push(cx.function(code.finish()));
    }
    all
}

/// `image_decode`, which calls the decoder of the stream's format.
fn decoders(cx: &mut RoutineCx) -> FuncId {
    let pixel_format = cx.attrs().str("pixel_format").unwrap_or("RGB").to_string();
    let probe = cx.function(probe());
    let each = each_decoder(cx, &pixel_format, probe);
    let code = Code::new("image_decode");
    {
        let c = &code;
        let w = parameters(c, &pixel_format, None, Some([probe, each[JPEG]]));
        let format = w.info.get(Info::FORMAT);
        c.fail_if(format.eq(Info::UNSUPPORTED), UNSUPPORTED);
        for (i, &decoder) in each.iter().enumerate() {
            c.when(format.eq(i as i64 + 1), || {
                let memory = [w.info.memory(), w.pixels.out(), w.bytes, w.halves, w.tables];
                let mut given = vec![Given::Memory(w.stream.data), Given::Int(w.stream.len)];
                given.extend(memory.map(Given::Memory));
                let inner = w.inner.iter().filter(|_| FORMATS[i].inner);
                given.extend(inner.flat_map(|inner| [inner.stream, inner.image]).map(Given::Memory));
                c.call(decoder, &given);
                c.leave_with(0);
            });
        }
    }
    cx.function(code.finish())
}

#[cfg(test)]
mod tests;
