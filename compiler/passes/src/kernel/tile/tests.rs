//! Tiles for registers, outputs and caches of known sizes.

use super::*;

/// Operands in the first-level cache, the vectors shared by all rows.
const USUAL: Output = Output {
    rows: [Rows::ONE; 2],
    n: 512,
    shared: true,
    broadcast: true,
    in_turn: true,
    near: i64::MAX,
    copied: false,
    steps: 64,
    far: false,
};

#[test]
fn tiles_fit_the_registers_and_the_output() {
    let best = |registers, lanes, m: [i64; 2], n| {
        let rows = m.map(|number| Rows { number, known: true, one: number == 1 });
        let output = Output { rows, n, ..USUAL };
        let ([ro, ri], nv) = best(registers, lanes, &output);
        (ro * ri, nv)
    };
    assert_eq!(best(32, 16, [1, 1], 768), (1, 8), "one row: many vectors hide the latency");
    let (mr, nv) = best(32, 16, [1, 128], 768);
    assert!(mr * nv + nv < 32 && mr * nv >= 24, "{mr}x{nv}");
    let (mr, nv) = best(16, 8, [1, 128], 768);
    assert!(mr * nv + nv < 16 && mr * nv >= 10, "{mr}x{nv}");
    assert_eq!(best(32, 16, [1, 7], 512).0, 7);
    assert_eq!(best(32, 16, [1, 3], 16), (3, 1));
    assert_eq!(best(16, 8, [2, 2], 256).0, 4, "short axes share a tile");
}

#[test]
fn panels_made_by_a_run_leave_no_rest() {
    const MANY: Rows = Rows { number: 1500, known: true, one: false };
    let vectors = |copied| {
        let rows = [Rows::ONE, MANY];
        best(16, 8, &Output { rows, n: 64, copied, ..USUAL }).1
    };
    assert_eq!((vectors(true), 8 % vectors(true)), (2, 0));
    assert_eq!(vectors(false), 3, "constants are filled up once for all");
}

#[test]
fn numbers_that_are_not_known_are_many() {
    let runs = |number, most| Rows { number, known: false, one: false }.runs(most);
    assert_eq!(runs(4, 4), [(4, 0.5), (3, 1.25)], "4; 3 and 3, which overlap; 3 and 3; 4 and 3");
    assert_eq!(runs(2, 4), [(3, 0.5), (1, 1.0)], "2 one by one, or 3");
    assert_eq!(runs(1, 1), [(1, 1.0)]);
}

#[test]
fn vectors_from_the_second_level_are_used_by_more_rows() {
    const FOURTEEN: Rows = Rows { number: 14, known: true, one: false };
    let tile = |near| best(16, 8, &Output { rows: [FOURTEEN; 2], near, ..USUAL });
    let rows = |([ro, ri], _): ([u32; 2], u32)| ro * ri;
    assert!(rows(tile(0)) >= 4 && rows(tile(0)) >= rows(tile(i64::MAX)), "{:?}", tile(0));
    assert_eq!(near(4 * 1024, 512, Machine::USUAL), 4, "a panel at a time");
    assert_eq!(near(4 * 64, 256, Machine::USUAL), 0, "all of them");
    assert_eq!(near(4 * 16, 64, Machine::USUAL), 256);
}

/// Products in a transformed domain of a 7x7 image.
#[test]
fn vectors_from_memory_are_used_by_more_rows_where_there_are_few() {
    const FOUR: Rows = Rows { number: 4, known: true, one: false };
    let usual = Output { rows: [FOUR; 2], near: 0, steps: 512, ..USUAL };
    assert_eq!(best(32, 16, &usual), ([1, 4], 6));
    assert_eq!(best(32, 16, &Output { far: true, ..usual }), ([2, 4], 3));
}
