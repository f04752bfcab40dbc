//! Test values: the edges of every element type, then pseudo-random bits.

use onnxc_base::DType;
use onnxc_ir::loops::Scalar;

/// Values per dtype; their pairs fill [`pairs`].
pub(super) const VALUES: usize = 24;
/// Elements of [`pairs`]: a multiple of the widest vector.
pub(super) const PAIRS: usize = VALUES * VALUES;

/// A deterministic stream of bits (xorshift64*: S. Vigna, "An experimental exploration of Marsaglia's xorshift
/// generators, scrambled", 2016).
pub(super) struct Bits(pub u64);

impl Bits {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

fn edges(d: DType) -> Vec<Scalar> {
    if d == DType::Bool {
        return vec![Scalar::bool(false), Scalar::bool(true)];
    }
    if d.is_float() {
        let v = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.5,
            -2.5,
            3.5,
            7.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            1e-40,
            1e9,
            -3e9,
            0.1,
            65504.0,
            6e-8,
        ];
        return v.into_iter().map(|v| Scalar::from_f64(d, v)).collect();
    }
    let mut all: Vec<Scalar> =
        [0, 1, -1, 2, 3, 7, 8, -8, 31, 100].into_iter().map(|v| Scalar::from_i64(d, v)).collect();
    let bits = d.bits() as i64;
    all.extend([bits - 1, bits].map(|v| Scalar::from_i64(d, v)));
    all.extend([Scalar::least(d), Scalar::greatest(d)]);
    all
}

fn random(d: DType, bits: &mut Bits) -> Scalar {
    let raw = bits.next();
    match d {
        DType::Bool => Scalar::bool(raw & 1 == 1),
        // Moderate numbers: random bits would be mostly huge or tiny.
        d if d.is_float() => Scalar::from_f64(d, (raw as i64 >> 32) as f64 / 65536.0),
        d => Scalar { dtype: d, bits: raw >> (64 - d.bits()) },
    }
}

/// `VALUES` values of a type.
pub(super) fn values(d: DType) -> Vec<Scalar> {
    let mut bits = Bits(0x9e37_79b9_7f4a_7c15);
    let mut all = edges(d);
    while all.len() < VALUES {
        all.push(random(d, &mut bits));
    }
    all.truncate(VALUES);
    all
}

/// Little-endian bytes.
pub(super) fn bytes(values: &[Scalar]) -> Vec<u8> {
    values.iter().flat_map(|v| v.bits.to_le_bytes()[..v.dtype.size()].to_vec()).collect()
}

/// All pairs of values of a type: the first elements, and the second ones.
pub(super) fn pairs(d: DType) -> (Vec<u8>, Vec<u8>) {
    let v = values(d);
    let first: Vec<Scalar> = (0..PAIRS).map(|i| v[i / VALUES]).collect();
    let second: Vec<Scalar> = (0..PAIRS).map(|i| v[i % VALUES]).collect();
    (bytes(&first), bytes(&second))
}

/// Values for conversions: edges, and random bits of every kind.
pub(super) fn many(d: DType, count: usize) -> Vec<u8> {
    let mut bits = Bits(0x1234_5678_9abc_def1);
    let mut all = edges(d);
    while all.len() < count {
        let raw = bits.next();
        let moderate = all.len().is_multiple_of(2);
        all.push(if moderate || d == DType::Bool {
            random(d, &mut bits)
        } else {
            Scalar { dtype: d, bits: raw >> (64 - d.bits()) }
        });
    }
    all.truncate(count);
    bytes(&all)
}
