//! Operators on tensors of strings that look into the strings.

use super::text::{self, Case};
use super::{Array, Object, Result, Run, count_of, number};
use crate::Status;
use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::vec::Vec;

/// For each element of extents, the offset of the element of a tensor that is broadcast to them.
fn broadcast(from: &[i64], to: &[i64]) -> Result<Vec<usize>> {
    let n = count_of(to)?;
    let lead = to.len().checked_sub(from.len()).ok_or(Status::DIMS)?;
    let mut out = Vec::with_capacity(n);
    for i in 0..n {
        let (mut rest, mut offset, mut stride) = (i, 0, 1);
        for axis in (0..to.len()).rev() {
            let at = rest % to[axis] as usize;
            rest /= to[axis] as usize;
            if axis >= lead {
                let extent = from[axis - lead];
                if extent != 1 && extent != to[axis] {
                    return Err(Status::DIMS);
                }
                offset += if extent == 1 { 0 } else { at * stride };
                stride *= extent as usize;
            }
        }
        out.push(offset);
    }
    Ok(out)
}

/// `(a, b)`: one after the other, broadcast.
pub fn concat(run: &mut Run, args: &[i64]) -> Result<i64> {
    let [a, b] = *args else { return Err(Status::VALUE) };
    let (a, b) = (run.get(a)?, run.get(b)?);
    let (a, b) = (a.array()?, b.array()?);
    let rank = a.dims.len().max(b.dims.len());
    let extent = |t: &Array, axis: usize| (axis + t.dims.len()).checked_sub(rank).map_or(1, |i| t.dims[i]);
    let dims: Vec<i64> = (0..rank).map(|i| if extent(a, i) == 1 { extent(b, i) } else { extent(a, i) }).collect();
    let (ia, ib) = (broadcast(&a.dims, &dims)?, broadcast(&b.dims, &dims)?);
    let (ha, hb) = (a.handles()?, b.handles()?);
    let mut out = Vec::with_capacity(ia.len());
    for (i, j) in ia.into_iter().zip(ib) {
        let mut joined = run.text(ha[i])?.to_vec();
        joined.extend_from_slice(&run.text(hb[j])?);
        out.push(run.string(&joined));
    }
    Ok(run.tensor(Array::of_strings(&dims, &out)))
}

/// `(x, delimiter, at most so many cuts or -1)`: the parts, padded with empty strings along a new last axis, and how
/// many there are of each.
pub fn split(run: &mut Run, args: &[i64]) -> Result<i64> {
    let [x, delimiter, limit] = *args else { return Err(Status::VALUE) };
    let x = run.get(x)?;
    let x = x.array()?;
    let delimiter = run.text(delimiter)?;
    let delimiter = core::str::from_utf8(&delimiter).map_err(|_| Status::VALUE)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut rows: Vec<Vec<i64>> = Vec::new();
    for h in x.handles()? {
        let t = run.text(h)?;
        let t = core::str::from_utf8(&t).map_err(|_| Status::VALUE)?;
        rows.push(text::split(t, delimiter, limit).iter().map(|p| run.string(p.as_bytes())).collect());
    }
    let most = rows.iter().map(Vec::len).max().unwrap_or(0);
    let counts: Vec<i64> = rows.iter().map(|r| r.len() as i64).collect();
    let parts: Vec<i64> = rows.iter().flat_map(|r| (0..most).map(|i| r.get(i).copied().unwrap_or(0))).collect();
    let mut dims = x.dims.clone();
    dims.push(most as i64);
    pair(run, Array::of_strings(&dims, &parts), Array::of_ints(&x.dims, &counts))
}

/// Several results of one operator.
pub fn pair(run: &mut Run, a: Array, b: Array) -> Result<i64> {
    Ok(several(run, alloc::vec![a, b]))
}

/// As [`pair`].
pub fn several(run: &mut Run, results: Vec<Array>) -> i64 {
    run.object(Rc::new(Object::Sequence(results.into_iter().map(|a| Rc::new(Object::Tensor(a))).collect())))
}

/// `(x, stop words, 0 keep 1 lower 2 upper, case matters)`: without the stop words, the others with their case changed;
/// one empty string if none is left.
pub fn normalize(run: &mut Run, args: &[i64]) -> Result<i64> {
    let [x, stops, case, sensitive] = *args else { return Err(Status::VALUE) };
    let (x, stops) = (run.get(x)?, run.get(stops)?);
    let x = x.array()?;
    let case = [Case::Keep, Case::Lower, Case::Upper].get(case as usize).copied().ok_or(Status::VALUE)?;
    let compared = if sensitive != 0 { Case::Keep } else { Case::Lower };
    let mut words = Vec::new();
    for h in stops.array()?.handles()? {
        words.push(text::change(&run.text(h)?, compared));
    }
    let mut kept = Vec::new();
    for h in x.handles()? {
        let t = run.text(h)?;
        if !words.contains(&text::change(&t, compared)) {
            kept.push(run.string(&text::change(&t, case)));
        }
    }
    if kept.is_empty() {
        kept.push(0);
    }
    let n = kept.len() as i64;
    let dims = match x.dims[..] {
        [_] => alloc::vec![n],
        [1, _] => alloc::vec![1, n],
        _ => return Err(Status::DIMS),
    };
    Ok(run.tensor(Array::of_strings(&dims, &kept)))
}

/// `(x, automaton)`: true where the automaton accepts the whole string. The automaton is an `int32` matrix of 257
/// columns: from state and byte to the next state, then 1 if the state accepts; it starts in state 0.
pub fn full_match(run: &mut Run, args: &[i64]) -> Result<i64> {
    let [x, automaton] = *args else { return Err(Status::VALUE) };
    let (x, automaton) = (run.get(x)?, run.get(automaton)?);
    let x = x.array()?;
    let table = automaton.array()?.ints()?;
    let mut data = Vec::with_capacity(x.count());
    for h in x.handles()? {
        let mut state = 0usize;
        for &b in run.text(h)?.iter() {
            state = table.get(state * 257 + usize::from(b)).map_or(0, |&s| s as usize);
        }
        data.push(u8::from(table.get(state * 257 + 256) == Some(&1)));
    }
    Ok(run.tensor(Array { dtype: 9, dims: x.dims.clone(), data }))
}

/// `(x, dtype)`: the numbers that strings say.
pub fn to_number(run: &mut Run, args: &[i64]) -> Result<i64> {
    let [x, dtype] = *args else { return Err(Status::VALUE) };
    let x = run.get(x)?;
    let x = x.array()?;
    let mut out = Array { dtype: dtype as u32, dims: x.dims.clone(), data: Vec::new() };
    for h in x.handles()? {
        let t = run.text(h)?;
        let t = core::str::from_utf8(&t).map_err(|_| Status::VALUE)?;
        push_number(&mut out, t)?;
    }
    Ok(run.tensor(out))
}

fn push_number(out: &mut Array, t: &str) -> Result<()> {
    macro_rules! int {
        ($($n:literal $t:ty),*) => {
            match out.dtype {
                1 => out.data.extend(number::parse_f32(t)?.to_le_bytes()),
                11 => out.data.extend(number::parse_f64(t)?.to_le_bytes()),
                10 => out.data.extend(number::f32_to_f16(number::parse_f32(t)?).to_le_bytes()),
                16 => out.data.extend(number::f32_to_bf16(number::parse_f32(t)?).to_le_bytes()),
                9 => out.data.push(u8::from(number::parse_f64(t)? != 0.0)),
                $($n => out.data.extend((number::parse_int(t)? as $t).to_le_bytes()),)*
                _ => return Err(Status::VALUE),
            }
        };
    }
    int!(2 u8, 3 i8, 4 u16, 5 i16, 6 i32, 7 i64, 12 u32, 13 u64);
    Ok(())
}

/// `(x)`: numbers as text.
pub fn of_number(run: &mut Run, args: &[i64]) -> Result<i64> {
    let [x] = *args else { return Err(Status::VALUE) };
    let x = run.get(x)?;
    let x = x.array()?;
    let size = x.size()?;
    let mut out = Vec::with_capacity(x.count());
    for c in x.data.chunks_exact(size) {
        let mut bytes = [0u8; 8];
        bytes[..size.min(8)].copy_from_slice(&c[..size.min(8)]);
        let bits = u64::from_le_bytes(bytes);
        let text = match x.dtype {
            1 => number::of_f32(f32::from_bits(bits as u32)),
            11 => number::of_f64(f64::from_bits(bits)),
            10 => number::of_half(bits as u16, number::f16_to_f32(bits as u16), number::f32_to_f16),
            16 => number::of_half(bits as u16, f32::from_bits((bits as u32) << 16), number::f32_to_bf16),
            9 => (if bits == 0 { "False" } else { "True" }).to_string(),
            3 => (bits as i8).to_string(),
            5 => (bits as i16).to_string(),
            6 => (bits as i32).to_string(),
            7 => (bits as i64).to_string(),
            2 | 4 | 12 | 13 => bits.to_string(),
            _ => return Err(Status::VALUE),
        };
        out.push(run.string(text.as_bytes()));
    }
    Ok(run.tensor(Array::of_strings(&x.dims, &out)))
}
