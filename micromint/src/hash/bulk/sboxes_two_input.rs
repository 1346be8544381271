//! Circuits of gates with two inputs for the S-boxes of DES.
//!
//! Printed by `tools/sbox-circuits`, which also found them; do not edit. Inputs and outputs are in
//! the order of FIPS 46-3, the leftmost bit first.

use super::word::Word;

/// S-box 1: 48 gates of two inputs, 0 of three; depth 28.
#[inline(always)]
pub(super) fn s1<V: Word>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = a.xor(c);
    let g7 = g6.xor(d);
    let g8 = d.and_not(a);
    let g9 = f.or(g8);
    let g10 = g9.and_not(g7);
    let g11 = c.xor(g10);
    let g12 = f.or(g11);
    let g13 = g7.xor(g12);
    let g14 = b.and_not(g13);
    let g15 = g14.xor(g11);
    let g16 = g14.xor(g9);
    let g17 = g12.and_not(g16);
    let g18 = g15.xor(g17);
    let g19 = g18.and_not(g6);
    let g20 = g13.or(g19);
    let g21 = b.xor(g20);
    let g22 = g15.xor(g21);
    let g23 = e.and_not(g22);
    let g24 = g23.xor(g21);
    let g25 = c.and_not(g24);
    let g26 = g25.xor(g18);
    let g27 = g20.and_not(g7);
    let g28 = g26.and_not(g27);
    let g29 = g8.xor(g13);
    let g30 = g29.xor(b);
    let g31 = g29.xor(g15);
    let g32 = a.and_not(g31);
    let g33 = e.xor(g32);
    let g34 = g29.xor(g32);
    let g35 = g34.and_not(g10);
    let g36 = g33.and_not(g35);
    let g37 = g30.xor(g36);
    let g38 = g28.xor(g37);
    let g39 = g38.and_not(g19);
    let g40 = g26.xor(g39);
    let g41 = g34.and(g16);
    let g42 = g40.or(g41);
    let g43 = g13.xor(g42);
    let g44 = d.and(c);
    let g45 = g43.and_not(g44);
    let g46 = g45.xor(g25);
    let g47 = e.and_not(g46);
    let g48 = g26.xor(g47);
    let g49 = g43.and_not(g28);
    let g50 = g21.and(g33);
    let g51 = g49.xor(g50);
    let g52 = e.and(g51);
    let g53 = g43.xor(g52);
    [g38.not(), g48.not(), g24.not(), g53]
}

/// S-box 2: 42 gates of two inputs, 0 of three; depth 25.
#[inline(always)]
pub(super) fn s2<V: Word>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = e.xor(f);
    let g7 = b.and(d);
    let g8 = g7.xor(c);
    let g9 = g6.xor(g8);
    let g10 = a.or(b);
    let g11 = b.xor(g8);
    let g12 = g11.and(g10);
    let g13 = a.xor(g12);
    let g14 = d.xor(g13);
    let g15 = b.and_not(g6);
    let g16 = e.or(g15);
    let g17 = g14.and(g16);
    let g18 = g10.xor(g17);
    let g19 = f.and(g17);
    let g20 = g19.xor(a);
    let g21 = g18.or(g20);
    let g22 = g9.xor(g21);
    let g23 = g20.and_not(g11);
    let g24 = g23.and(f);
    let g25 = g24.or(g9);
    let g26 = e.and_not(g23);
    let g27 = g25.xor(g12);
    let g28 = g26.xor(g27);
    let g29 = g8.and(g28);
    let g30 = g25.xor(g29);
    let g31 = g30.xor(g14);
    let g32 = g16.or(g14);
    let g33 = d.or(e);
    let g34 = c.and_not(g29);
    let g35 = g34.xor(g10);
    let g36 = g22.or(g35);
    let g37 = g36.and_not(g13);
    let g38 = g6.xor(g37);
    let g39 = g33.and(g38);
    let g40 = g32.and_not(g39);
    let g41 = g31.xor(b);
    let g42 = g38.and(e);
    let g43 = g22.xor(g42);
    let g44 = g43.and(g27);
    let g45 = g26.and_not(f);
    let g46 = g44.or(g45);
    let g47 = g41.xor(g46);
    [g22.not(), g31.not(), g40.not(), g47.not()]
}

/// S-box 3: 47 gates of two inputs, 0 of three; depth 24.
#[inline(always)]
pub(super) fn s3<V: Word>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = b.xor(f);
    let g7 = e.or(d);
    let g8 = e.and_not(c);
    let g9 = g7.xor(g8);
    let g10 = g6.xor(g9);
    let g11 = e.xor(f);
    let g12 = d.xor(g11);
    let g13 = b.or(g12);
    let g14 = g10.and(g13);
    let g15 = g14.xor(g6);
    let g16 = g15.or(a);
    let g17 = a.xor(g10);
    let g18 = g17.or(c);
    let g19 = g14.and_not(g12);
    let g20 = g19.and_not(a);
    let g21 = g20.or(c);
    let g22 = b.xor(g21);
    let g23 = g7.and_not(g10);
    let g24 = g23.and(g12);
    let g25 = g22.and_not(g24);
    let g26 = g25.xor(e);
    let g27 = g11.and_not(g26);
    let g28 = b.and_not(g27);
    let g29 = g18.xor(g28);
    let g30 = g23.or(g29);
    let g31 = g30.xor(g13);
    let g32 = g31.and(f);
    let g33 = d.and_not(g32);
    let g34 = g33.xor(g17);
    let g35 = g34.xor(g21);
    let g36 = g29.xor(g35);
    let g37 = g36.and_not(g16);
    let g38 = g12.xor(a);
    let g39 = g37.xor(g38);
    let g40 = g22.and_not(g27);
    let g41 = g16.or(g34);
    let g42 = g41.xor(c);
    let g43 = g40.or(g42);
    let g44 = g39.xor(g43);
    let g45 = g26.and_not(g19);
    let g46 = g31.xor(g45);
    let g47 = g46.xor(g43);
    let g48 = g47.and_not(a);
    let g49 = g48.xor(g31);
    let g50 = g45.xor(g34);
    let g51 = a.and_not(g50);
    let g52 = g51.xor(g17);
    [g44.not(), g35, g49.not(), g52]
}

/// S-box 4: 29 gates of two inputs, 0 of three; depth 18.
#[inline(always)]
pub(super) fn s4<V: Word>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = a.xor(d);
    let g7 = e.xor(a);
    let g8 = b.xor(g7);
    let g9 = e.xor(c);
    let g10 = g7.and(g6);
    let g11 = g8.xor(g9);
    let g12 = b.and_not(g11);
    let g13 = g10.xor(g12);
    let g14 = g9.and_not(g13);
    let g15 = g14.xor(g10);
    let g16 = g15.and_not(g8);
    let g17 = g6.xor(g16);
    let g18 = g17.or(g13);
    let g19 = g18.xor(g11);
    let g20 = g14.xor(g7);
    let g21 = e.xor(f);
    let g22 = g21.and_not(g20);
    let g23 = g13.xor(g22);
    let g24 = g20.xor(g23);
    let g25 = g19.xor(g24);
    let g26 = f.or(g25);
    let g27 = g19.and_not(e);
    let g28 = g26.xor(g27);
    let g29 = g28.xor(g17);
    let g30 = g20.and_not(f);
    let g31 = g30.xor(g25);
    let g32 = g24.xor(g29);
    let g33 = g31.xor(g32);
    let g34 = g33.xor(g23);
    [g29, g34.not(), g33.not(), g32.not()]
}

/// S-box 5: 47 gates of two inputs, 0 of three; depth 26.
#[inline(always)]
pub(super) fn s5<V: Word>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = f.and_not(a);
    let g7 = d.or(f);
    let g8 = g7.xor(c);
    let g9 = g8.xor(a);
    let g10 = g6.or(g9);
    let g11 = g10.xor(d);
    let g12 = g11.or(g8);
    let g13 = g12.and_not(g9);
    let g14 = c.and_not(f);
    let g15 = g13.and_not(g14);
    let g16 = e.or(g15);
    let g17 = d.and_not(c);
    let g18 = g12.xor(g6);
    let g19 = g18.and_not(g17);
    let g20 = f.xor(g19);
    let g21 = g13.or(d);
    let g22 = g21.and_not(b);
    let g23 = g20.xor(g22);
    let g24 = g16.xor(g23);
    let g25 = g20.and_not(e);
    let g26 = g8.xor(g20);
    let g27 = g25.or(g26);
    let g28 = g27.xor(e);
    let g29 = g28.and(b);
    let g30 = g29.and_not(g10);
    let g31 = e.and_not(g30);
    let g32 = g13.xor(g6);
    let g33 = g32.and(g22);
    let g34 = g8.xor(g33);
    let g35 = g31.or(g34);
    let g36 = g11.xor(g35);
    let g37 = g24.xor(g36);
    let g38 = a.and_not(f);
    let g39 = g31.or(g38);
    let g40 = b.xor(g36);
    let g41 = g40.and_not(g26);
    let g42 = g39.and_not(g41);
    let g43 = g30.xor(g27);
    let g44 = g19.xor(g43);
    let g45 = g42.xor(g44);
    let g46 = g29.and_not(g45);
    let g47 = g41.xor(g14);
    let g48 = g45.and_not(b);
    let g49 = g43.xor(g48);
    let g50 = g47.or(g49);
    let g51 = g50.and_not(g46);
    let g52 = g37.xor(g51);
    [g52, g24, g40.not(), g49]
}

/// S-box 6: 48 gates of two inputs, 0 of three; depth 28.
#[inline(always)]
pub(super) fn s6<V: Word>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = d.xor(a);
    let g7 = g6.and_not(e);
    let g8 = b.or(c);
    let g9 = c.xor(g7);
    let g10 = e.xor(g9);
    let g11 = g6.xor(g10);
    let g12 = g11.and_not(g7);
    let g13 = g8.xor(g12);
    let g14 = d.or(g13);
    let g15 = g14.and_not(g7);
    let g16 = g9.and(a);
    let g17 = g15.or(g16);
    let g18 = c.xor(g17);
    let g19 = c.and_not(g18);
    let g20 = g19.or(g13);
    let g21 = g9.or(g12);
    let g22 = g12.and(g9);
    let g23 = g18.or(g22);
    let g24 = g23.and_not(b);
    let g25 = e.and_not(g14);
    let g26 = g24.or(g25);
    let g27 = g21.xor(g26);
    let g28 = g10.or(g27);
    let g29 = g20.xor(g28);
    let g30 = f.and_not(g29);
    let g31 = f.or(g13);
    let g32 = g30.xor(g31);
    let g33 = g17.and_not(f);
    let g34 = g30.and_not(g21);
    let g35 = d.and_not(g34);
    let g36 = g14.or(g27);
    let g37 = g36.and_not(g35);
    let g38 = g9.and_not(g29);
    let g39 = g38.xor(f);
    let g40 = g37.and(g39);
    let g41 = g22.or(g40);
    let g42 = g33.xor(g41);
    let g43 = g42.xor(b);
    let g44 = g43.and_not(g29);
    let g45 = g24.xor(g39);
    let g46 = g45.xor(g37);
    let g47 = g44.xor(g46);
    let g48 = g27.xor(g47);
    let g49 = b.xor(g46);
    let g50 = g25.or(g17);
    let g51 = g50.and_not(g49);
    let g52 = f.and_not(g51);
    let g53 = g52.xor(g27);
    [g32.not(), g48.not(), g53, g43]
}

/// S-box 7: 43 gates of two inputs, 0 of three; depth 20.
#[inline(always)]
pub(super) fn s7<V: Word>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = b.xor(f);
    let g7 = c.and_not(f);
    let g8 = d.xor(g7);
    let g9 = g6.and_not(c);
    let g10 = g8.xor(g9);
    let g11 = g10.and(b);
    let g12 = g11.xor(c);
    let g13 = d.and_not(g12);
    let g14 = d.xor(g13);
    let g15 = g6.or(g14);
    let g16 = b.and_not(g15);
    let g17 = g6.xor(g12);
    let g18 = g17.and_not(g11);
    let g19 = e.xor(a);
    let g20 = g18.xor(g19);
    let g21 = g16.xor(g20);
    let g22 = g21.and(g16);
    let g23 = a.and_not(g22);
    let g24 = g23.xor(g10);
    let g25 = e.and_not(g14);
    let g26 = g17.xor(g25);
    let g27 = g20.xor(g26);
    let g28 = g27.and_not(g24);
    let g29 = g19.and(g21);
    let g30 = g29.xor(g8);
    let g31 = b.xor(g30);
    let g32 = g31.and(g19);
    let g33 = g28.or(g32);
    let g34 = g30.and(g14);
    let g35 = g31.xor(a);
    let g36 = g35.and_not(g34);
    let g37 = g33.and_not(g36);
    let g38 = g37.xor(g21);
    let g39 = g24.or(g27);
    let g40 = g26.xor(g39);
    let g41 = g13.and_not(g32);
    let g42 = f.and_not(g41);
    let g43 = g42.or(g31);
    let g44 = g43.xor(g12);
    let g45 = e.and_not(g44);
    let g46 = g36.xor(g45);
    let g47 = e.or(g41);
    let g48 = g24.xor(g47);
    [g38, g40.not(), g46, g48]
}

/// S-box 8: 38 gates of two inputs, 0 of three; depth 34.
#[inline(always)]
pub(super) fn s8<V: Word>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = e.and_not(b);
    let g7 = d.and_not(g6);
    let g8 = c.xor(g7);
    let g9 = g8.and_not(b);
    let g10 = d.xor(g9);
    let g11 = a.and_not(g10);
    let g12 = g11.or(e);
    let g13 = g12.xor(g8);
    let g14 = g13.xor(b);
    let g15 = g14.xor(a);
    let g16 = g13.and_not(b);
    let g17 = e.and_not(g16);
    let g18 = g17.or(g15);
    let g19 = g18.xor(g10);
    let g20 = g19.xor(a);
    let g21 = f.and(g20);
    let g22 = g21.and(g14);
    let g23 = g16.or(g22);
    let g24 = g23.xor(e);
    let g25 = g24.or(g20);
    let g26 = g13.xor(g25);
    let g27 = g26.and(a);
    let g28 = f.or(g27);
    let g29 = g28.xor(g24);
    let g30 = a.and_not(g29);
    let g31 = g17.xor(g29);
    let g32 = a.and_not(g31);
    let g33 = g32.or(f);
    let g34 = g19.xor(g33);
    let g35 = g29.xor(g34);
    let g36 = g35.and_not(g22);
    let g37 = g36.xor(f);
    let g38 = g30.xor(g37);
    let g39 = g26.xor(g38);
    let g40 = g15.xor(g39);
    let g41 = f.or(g40);
    let g42 = g41.xor(g15);
    let g43 = g41.xor(g39);
    [g42.not(), g34.not(), g35, g43.not()]
}
