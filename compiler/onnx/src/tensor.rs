//! Stored tensors to host tensors, for every encoding of the standard.
//!
//! Holds afterwards: dims are non-negative and multiply without overflow, exactly one place holds the data, and it
//! holds exactly as much as dims and type need. Raw and external data share the file's memory; 32- and 64-bit typed
//! fields are moved, narrower ones packed; elements of less than a byte are unpacked.
//!
//! Does NOT convert values between types. Values of `int32_data` that don't fit a narrow type are cut to its bits.

use crate::dtype;
use crate::external::{self, Files};
use crate::limits::Limits;
use crate::messages::TensorProto;
use onnxc_base::{Bytes, DType, Diagnostic, Tensor, tensor::element_count};

/// `data_location` of data in another file.
const EXTERNAL: i32 = 1;

/// What dims and type say: the element type, the extents, the number of elements.
pub(crate) struct Layout {
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub count: usize,
}

/// Dims to extents and their product: non-negative, at most `max` elements.
pub(crate) fn shape_of(dims: &[i64], max: usize) -> Result<(Vec<usize>, usize), Diagnostic> {
    if let Some(d) = dims.iter().find(|d| **d < 0) {
        return Err(Diagnostic::error("E0021", format!("dims {dims:?} hold the negative extent {d}"))
            .help("a stored tensor has fixed extents; export the model again"));
    }
    let shape: Option<Vec<usize>> = dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    let count = shape.as_deref().and_then(element_count).filter(|&n| n <= max);
    shape.zip(count).ok_or_else(|| {
        Diagnostic::error("E0022", format!("dims {dims:?} multiply to too many elements"))
            .expected(format!("at most {max}"))
            .help("the file is damaged, or raise `Limits::max_elements`")
    })
}

/// The layout of a stored tensor.
pub(crate) fn layout(t: &TensorProto, limits: &Limits) -> Result<Layout, Diagnostic> {
    let dtype = dtype::from_onnx(t.data_type).ok_or_else(|| {
        Diagnostic::error("E0020", format!("data_type {} is not an element type", t.data_type))
            .expected("1 to 28, as of ONNX 1.23")
            .help("export the model again, or update onnxc if the model is newer")
    })?;
    let (shape, count) = shape_of(&t.dims, limits.max_elements)?;
    Ok(Layout { dtype, shape, count })
}

/// The fields of a tensor that hold something, by name, with their number of entries.
fn filled(t: &TensorProto) -> Vec<(&'static str, usize)> {
    let raw = t.raw_data.as_ref().map_or(0, Bytes::len);
    let fields = [
        ("raw_data", raw),
        ("float_data", t.float_data.len()),
        ("int32_data", t.int32_data.len()),
        ("int64_data", t.int64_data.len()),
        ("double_data", t.double_data.len()),
        ("uint64_data", t.uint64_data.len()),
        ("string_data", t.string_data.len()),
    ];
    fields.into_iter().filter(|(_, n)| *n > 0).collect()
}

/// The typed field that a dtype belongs in, and how many entries `count` elements take there.
fn typed_field(dtype: DType, count: usize) -> (&'static str, Option<usize>) {
    use DType::*;
    match dtype {
        F32 => ("float_data", Some(count)),
        C64 => ("float_data", count.checked_mul(2)),
        F64 => ("double_data", Some(count)),
        C128 => ("double_data", count.checked_mul(2)),
        I64 => ("int64_data", Some(count)),
        U32 | U64 => ("uint64_data", Some(count)),
        String => ("string_data", Some(count)),
        // One entry holds one byte of packed elements; the six-bit types alone take an entry per element.
        I2 | U2 | I4 | U4 | F4E2M1 => ("int32_data", dtype.packed_bytes_for(count)),
        _ => ("int32_data", Some(count)),
    }
}

/// Checks everything about a tensor short of converting it, and finds external bytes.
///
/// Returns the layout, and the bytes if the data are external.
pub(crate) fn verify(t: &TensorProto, files: &Files, limits: &Limits) -> Result<(Layout, Option<Bytes>), Diagnostic> {
    let l = layout(t, limits)?;
    if t.segment.is_some() {
        return Err(Diagnostic::error("E0027", "the tensor is a segment of a larger one, which nothing can join")
            .help("export the model without segments"));
    }
    let fields = filled(t);
    let names = || fields.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(" and ");
    if t.data_location == EXTERNAL {
        return verify_external(t, l, files, &names());
    }
    if t.data_location != 0 {
        return Err(Diagnostic::error("E0026", format!("data_location is {}", t.data_location))
            .expected("0 (in the model) or 1 (external)")
            .help("save the model again"));
    }
    if fields.len() > 1 {
        return Err(Diagnostic::error("E0024", format!("data are in {}", names()))
            .expected("one field")
            .help("save the model again with the data in one field"));
    }
    verify_field(&l, fields.first().copied())?;
    Ok((l, None))
}

fn verify_external(
    t: &TensorProto,
    l: Layout,
    files: &Files,
    others: &str,
) -> Result<(Layout, Option<Bytes>), Diagnostic> {
    if !others.is_empty() {
        return Err(Diagnostic::error("E0024", format!("data are external and in {others}"))
            .expected("one place")
            .help("save the model again with the data in one place"));
    }
    if l.dtype == DType::String {
        return Err(Diagnostic::error("E0026", "strings can't be external data").help("keep them in string_data"));
    }
    let bytes = files.read(&external::reference(t)?, bytes_of(&l)?)?;
    Ok((l, Some(bytes)))
}

fn verify_field(l: &Layout, field: Option<(&'static str, usize)>) -> Result<(), Diagnostic> {
    let (typed, entries) = typed_field(l.dtype, l.count);
    let what = format!("{} of {} elements", l.dtype, l.count);
    match field {
        None if l.count == 0 => Ok(()),
        None => Err(Diagnostic::error("E0025", format!("the tensor has no data, but is {what}"))
            .expected(format!("raw_data or {typed}"))
            .help("fetch or export the model again; its weights are missing")),
        Some(("raw_data", n)) if l.dtype != DType::String => same_size("raw_data", n, bytes_of(l)?, "bytes", &what),
        Some((name, n)) if name == typed => same_size(name, n, entries.ok_or_else(too_large)?, "entries", &what),
        Some((name, _)) => Err(Diagnostic::error("E0026", format!("data of type {} are in {name}", l.dtype))
            .expected(if l.dtype == DType::String { typed.into() } else { format!("raw_data or {typed}") })
            .help("save the model again, or correct data_type")),
    }
}

fn same_size(field: &str, found: usize, need: usize, unit: &str, what: &str) -> Result<(), Diagnostic> {
    if found == need {
        return Ok(());
    }
    Err(Diagnostic::error("E0023", format!("{field} holds {found} {unit}"))
        .expected(format!("{need} {unit} for {what}"))
        .help("dims and data disagree; fetch or export the model again"))
}

fn bytes_of(l: &Layout) -> Result<usize, Diagnostic> {
    l.dtype.packed_bytes_for(l.count).ok_or_else(too_large)
}

fn too_large() -> Diagnostic {
    Diagnostic::error("E0022", "the tensor's size in bytes overflows").help("the file is damaged; fetch it again")
}

/// A host tensor from a stored one, consuming its data where that saves a copy.
pub(crate) fn convert(t: TensorProto, files: &Files, limits: &Limits) -> Result<Tensor, Diagnostic> {
    let (l, external) = verify(&t, files, limits)?;
    let Layout { dtype, shape, count } = l;
    if dtype == DType::String {
        let strings = t.string_data.iter().map(|s| s.to_vec()).collect();
        return Tensor::from_strings(shape, strings).ok_or_else(too_large);
    }
    let bytes = match (external, t.raw_data.filter(|r| !r.is_empty())) {
        (Some(bytes), _) | (None, Some(bytes)) => clean_bools(dtype, bytes),
        _ if !t.float_data.is_empty() => shared(t.float_data),
        _ if !t.double_data.is_empty() => shared(t.double_data),
        _ if !t.int64_data.is_empty() => shared(t.int64_data),
        _ if dtype == DType::U32 => t.uint64_data.iter().flat_map(|&v| (v as u32).to_le_bytes()).collect(),
        _ if !t.uint64_data.is_empty() => shared(t.uint64_data),
        _ if dtype == DType::I32 => shared(t.int32_data),
        _ => pack_int32(dtype, count, &t.int32_data),
    };
    Tensor::from_packed(dtype, shape, bytes).ok_or_else(too_large)
}

/// A vector's memory as shared bytes, without a copy.
fn shared<T: bytemuck::NoUninit + Send + 'static>(values: Vec<T>) -> Bytes {
    struct Owner<T>(Vec<T>);
    impl<T: bytemuck::NoUninit> AsRef<[u8]> for Owner<T> {
        fn as_ref(&self) -> &[u8] {
            bytemuck::cast_slice(&self.0)
        }
    }
    Bytes::from_owner(Owner(values))
}

/// Booleans are bytes 0 and 1 from here down; other bytes count as true, as in NumPy.
fn clean_bools(dtype: DType, bytes: Bytes) -> Bytes {
    if dtype != DType::Bool || bytes.iter().all(|&b| b <= 1) {
        return bytes;
    }
    bytes.iter().map(|&b| u8::from(b != 0)).collect()
}

/// `int32_data` of a type narrower than 32 bits, in that type's raw encoding.
fn pack_int32(dtype: DType, count: usize, values: &[i32]) -> Bytes {
    match (dtype, dtype.bits()) {
        (DType::Bool, _) => values.iter().map(|&v| u8::from(v != 0)).collect(),
        (_, 16) => values.iter().flat_map(|&v| (v as u16).to_le_bytes()).collect(),
        (_, 6) => pack_six_bits(values),
        (d, bits) if bits < 8 => clear_padding(values.iter().map(|&v| v as u8).collect(), count, d.bits()),
        _ => values.iter().map(|&v| v as u8).collect(),
    }
}

/// Zeroes the bits of the last byte that belong to no element.
fn clear_padding(mut bytes: Vec<u8>, count: usize, bits: usize) -> Bytes {
    let used = count * bits % 8;
    if let Some(last) = bytes.last_mut().filter(|_| used > 0) {
        *last &= (1 << used) - 1;
    }
    bytes.into()
}

/// Six-bit codes as one stream of bits, low bits first: four codes in three bytes.
fn pack_six_bits(values: &[i32]) -> Bytes {
    let mut out = Vec::with_capacity(values.len().div_ceil(4) * 3);
    for group in values.chunks(4) {
        let word = group.iter().enumerate().fold(0u32, |w, (i, &v)| w | (v as u32 & 0x3f) << (6 * i));
        out.extend_from_slice(&word.to_le_bytes()[..(group.len() * 6).div_ceil(8)]);
    }
    out.into()
}
