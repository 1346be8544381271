//! Circuits of gates with up to three inputs for the S-boxes of DES.
//!
//! Printed by `tools/sbox-circuits`, which also found them; do not edit. Inputs and outputs are in
//! the order of FIPS 46-3, the leftmost bit first.

use super::word::Ternary;

/// S-box 1: 0 gates of two inputs, 26 of three; depth 10.
#[inline(always)]
pub(super) fn s1<V: Ternary>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = V::lookup::<0x69>(c, e, f);
    let g7 = V::lookup::<0x6c>(g6, d, e);
    let g8 = V::lookup::<0xdb>(e, f, g7);
    let g9 = V::lookup::<0x39>(g7, c, g8);
    let g10 = V::lookup::<0x7c>(g7, a, g8);
    let g11 = V::lookup::<0x8e>(g10, c, g6);
    let g12 = V::lookup::<0xac>(d, c, e);
    let g13 = V::lookup::<0x78>(g12, g8, g9);
    let g14 = V::lookup::<0x89>(e, g13, g11);
    let g15 = V::lookup::<0x68>(g14, g8, g6);
    let g16 = V::lookup::<0x27>(g15, g9, a);
    let g17 = V::lookup::<0x53>(g11, g16, g13);
    let g18 = V::lookup::<0x1d>(g17, b, g16);
    let g19 = V::lookup::<0x9d>(g8, c, g10);
    let g20 = V::lookup::<0x36>(g12, g14, a);
    let g21 = V::lookup::<0x47>(g20, b, g19);
    let g22 = V::lookup::<0xd6>(g6, g13, g11);
    let g23 = V::lookup::<0x5c>(a, g10, g22);
    let g24 = V::lookup::<0x72>(g15, g14, g23);
    let g25 = V::lookup::<0x8d>(d, e, g13);
    let g26 = V::lookup::<0x2a>(g25, g24, b);
    let g27 = V::lookup::<0x95>(g14, g25, g10);
    let g28 = V::lookup::<0x74>(f, g27, g6);
    let g29 = V::lookup::<0x96>(g19, g28, g26);
    let g30 = V::lookup::<0x3a>(a, g24, g11);
    let g31 = V::lookup::<0xd8>(g23, g30, b);
    [g18, g21, g29, g31]
}

/// S-box 2: 3 gates of two inputs, 21 of three; depth 8.
#[inline(always)]
pub(super) fn s2<V: Ternary>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = V::lookup::<0x89>(a, f, e);
    let g7 = b.and_not(f);
    let g8 = V::lookup::<0xc7>(g7, a, g6);
    let g9 = V::lookup::<0x96>(a, d, e);
    let g10 = V::lookup::<0x19>(e, f, a);
    let g11 = V::lookup::<0x94>(g10, b, g9);
    let g12 = V::lookup::<0xe6>(d, f, e);
    let g13 = g12.xor(a);
    let g14 = V::lookup::<0x54>(b, g13, g11);
    let g15 = V::lookup::<0xd2>(g14, c, g8);
    let g16 = V::lookup::<0x32>(g14, d, g10);
    let g17 = V::lookup::<0x36>(g16, b, g6);
    let g18 = V::lookup::<0xce>(g15, g13, g17);
    let g19 = V::lookup::<0x27>(g9, g18, g7);
    let g20 = V::lookup::<0x96>(b, e, g12);
    let g21 = V::lookup::<0x9a>(g20, c, g19);
    let g22 = V::lookup::<0x62>(b, g8, g13);
    let g23 = V::lookup::<0x36>(g10, d, g20);
    let g24 = V::lookup::<0xb8>(g23, g22, g10);
    let g25 = g6.or(g22);
    let g26 = V::lookup::<0x6c>(g25, g24, c);
    let g27 = V::lookup::<0x18>(g26, g9, g7);
    let g28 = V::lookup::<0x3e>(c, g17, g14);
    let g29 = V::lookup::<0x4f>(g28, g27, c);
    [g15, g21, g29, g26]
}

/// S-box 3: 1 gates of two inputs, 23 of three; depth 8.
#[inline(always)]
pub(super) fn s3<V: Ternary>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = V::lookup::<0x2d>(b, f, d);
    let g7 = V::lookup::<0x96>(e, c, g6);
    let g8 = V::lookup::<0x69>(d, f, e);
    let g9 = V::lookup::<0x36>(g8, g7, d);
    let g10 = V::lookup::<0x39>(e, g9, c);
    let g11 = V::lookup::<0x6d>(g6, g8, f);
    let g12 = V::lookup::<0xd0>(g11, g7, g10);
    let g13 = V::lookup::<0x96>(g10, c, a);
    let g14 = V::lookup::<0x5c>(g13, g8, b);
    let g15 = V::lookup::<0xb2>(g7, g14, g12);
    let g16 = V::lookup::<0xc5>(c, g12, g8);
    let g17 = V::lookup::<0x3a>(a, g16, g15);
    let g18 = d.xor(g13);
    let g19 = V::lookup::<0x78>(g12, d, b);
    let g20 = V::lookup::<0x2d>(g13, f, g19);
    let g21 = V::lookup::<0x72>(g20, g18, g15);
    let g22 = V::lookup::<0x59>(g6, f, g9);
    let g23 = V::lookup::<0x87>(g22, g19, g11);
    let g24 = V::lookup::<0xd7>(g6, g8, b);
    let g25 = V::lookup::<0x65>(e, g11, g24);
    let g26 = V::lookup::<0x93>(g22, g25, c);
    let g27 = V::lookup::<0x2e>(g26, a, g23);
    let g28 = V::lookup::<0xc5>(g24, g7, d);
    let g29 = V::lookup::<0x8b>(g10, a, g28);
    [g17, g21, g27, g29]
}

/// S-box 4: 3 gates of two inputs, 14 of three; depth 9.
#[inline(always)]
pub(super) fn s4<V: Ternary>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = V::lookup::<0xc6>(c, e, b);
    let g7 = V::lookup::<0xe1>(g6, a, b);
    let g8 = d.xor(g6);
    let g9 = V::lookup::<0x45>(g8, b, g7);
    let g10 = V::lookup::<0x96>(d, c, g9);
    let g11 = V::lookup::<0x2d>(a, g7, g10);
    let g12 = V::lookup::<0x69>(b, d, g11);
    let g13 = V::lookup::<0x78>(g10, a, g12);
    let g14 = V::lookup::<0xe4>(d, b, g12);
    let g15 = V::lookup::<0xd3>(g8, a, g11);
    let g16 = V::lookup::<0xd2>(g15, e, g10);
    let g17 = g14.xor(g16);
    let g18 = g12.xor(g13);
    let g19 = V::lookup::<0x2d>(g18, f, g17);
    let g20 = V::lookup::<0x4b>(g18, f, g17);
    let g21 = V::lookup::<0xb8>(g16, f, g13);
    let g22 = V::lookup::<0x8b>(g13, f, g16);
    [g19, g20, g21, g22]
}

/// S-box 5: 2 gates of two inputs, 26 of three; depth 8.
#[inline(always)]
pub(super) fn s5<V: Ternary>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = V::lookup::<0xe1>(c, d, f);
    let g7 = V::lookup::<0x78>(c, d, b);
    let g8 = V::lookup::<0xb8>(d, f, g7);
    let g9 = V::lookup::<0x92>(e, b, g6);
    let g10 = V::lookup::<0x3d>(g9, g8, g6);
    let g11 = V::lookup::<0x3e>(d, b, g6);
    let g12 = V::lookup::<0x32>(g6, e, c);
    let g13 = V::lookup::<0x69>(g12, g11, f);
    let g14 = V::lookup::<0x94>(g13, g10, d);
    let g15 = f.xor(d);
    let g16 = g9.xor(d);
    let g17 = V::lookup::<0x7c>(g16, g15, g13);
    let g18 = V::lookup::<0xca>(e, g17, g14);
    let g19 = V::lookup::<0x3b>(g10, g15, f);
    let g20 = V::lookup::<0x69>(g19, e, g7);
    let g21 = V::lookup::<0xf8>(e, g20, g17);
    let g22 = V::lookup::<0x96>(g21, g8, b);
    let g23 = V::lookup::<0xac>(a, g22, g18);
    let g24 = V::lookup::<0xb8>(g20, a, g13);
    let g25 = V::lookup::<0xb6>(c, g16, g13);
    let g26 = V::lookup::<0x8e>(g10, g25, g11);
    let g27 = V::lookup::<0x75>(g7, g19, g26);
    let g28 = V::lookup::<0x72>(g27, g16, a);
    let g29 = V::lookup::<0x34>(g15, b, g10);
    let g30 = V::lookup::<0x6c>(e, g29, g10);
    let g31 = V::lookup::<0xb4>(g8, g16, g13);
    let g32 = V::lookup::<0xdc>(g25, g31, g30);
    let g33 = V::lookup::<0xd8>(g32, g30, a);
    [g23, g24, g28, g33]
}

/// S-box 6: 0 gates of two inputs, 26 of three; depth 10.
#[inline(always)]
pub(super) fn s6<V: Ternary>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = V::lookup::<0x69>(a, d, f);
    let g7 = V::lookup::<0x19>(f, a, d);
    let g8 = V::lookup::<0x92>(f, g7, c);
    let g9 = V::lookup::<0x47>(g8, e, g6);
    let g10 = V::lookup::<0x47>(c, a, g6);
    let g11 = V::lookup::<0x8b>(g10, f, g8);
    let g12 = V::lookup::<0x4a>(g9, g11, a);
    let g13 = V::lookup::<0x13>(g7, g12, c);
    let g14 = V::lookup::<0xd4>(g13, g6, c);
    let g15 = V::lookup::<0x6a>(g14, b, g9);
    let g16 = V::lookup::<0x69>(a, g13, e);
    let g17 = V::lookup::<0x4d>(g10, g16, g11);
    let g18 = V::lookup::<0xda>(d, f, c);
    let g19 = V::lookup::<0xb4>(g16, g10, g18);
    let g20 = V::lookup::<0x3a>(b, g19, g17);
    let g21 = V::lookup::<0xe1>(g6, c, b);
    let g22 = V::lookup::<0x78>(e, g12, g18);
    let g23 = V::lookup::<0x87>(g22, g21, g13);
    let g24 = V::lookup::<0x47>(g23, c, g6);
    let g25 = V::lookup::<0xcb>(g17, g23, g24);
    let g26 = V::lookup::<0x43>(g25, g20, g12);
    let g27 = V::lookup::<0xac>(b, g23, g26);
    let g28 = V::lookup::<0x9c>(f, g21, g7);
    let g29 = V::lookup::<0xac>(e, g25, g28);
    let g30 = V::lookup::<0xc5>(e, g11, g24);
    let g31 = V::lookup::<0xca>(b, g30, g29);
    [g15, g27, g31, g20]
}

/// S-box 7: 1 gates of two inputs, 24 of three; depth 8.
#[inline(always)]
pub(super) fn s7<V: Ternary>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = V::lookup::<0xf9>(b, c, d);
    let g7 = V::lookup::<0x1a>(d, c, e);
    let g8 = V::lookup::<0x96>(f, c, e);
    let g9 = V::lookup::<0xad>(g8, g7, d);
    let g10 = V::lookup::<0x1d>(g7, g9, c);
    let g11 = V::lookup::<0x69>(g10, b, e);
    let g12 = V::lookup::<0x93>(e, g11, g6);
    let g13 = V::lookup::<0x34>(g8, b, f);
    let g14 = V::lookup::<0x78>(g8, g7, e);
    let g15 = V::lookup::<0x1e>(g14, g11, g13);
    let g16 = g15.and_not(g7);
    let g17 = V::lookup::<0x23>(g9, g16, g13);
    let g18 = V::lookup::<0x74>(g17, a, g12);
    let g19 = V::lookup::<0x7e>(g10, c, g15);
    let g20 = V::lookup::<0xdc>(e, g13, g15);
    let g21 = V::lookup::<0xcb>(g20, g16, g19);
    let g22 = V::lookup::<0x90>(g12, c, g8);
    let g23 = V::lookup::<0x67>(g10, g14, b);
    let g24 = V::lookup::<0xbe>(g23, g19, g22);
    let g25 = V::lookup::<0x63>(g24, g21, a);
    let g26 = V::lookup::<0xa6>(g6, g8, g23);
    let g27 = V::lookup::<0xac>(g16, g11, g10);
    let g28 = V::lookup::<0xac>(a, g27, g26);
    let g29 = V::lookup::<0x3a>(b, g15, g9);
    let g30 = V::lookup::<0x9c>(g19, g29, a);
    [g18, g25, g28, g30]
}

/// S-box 8: 0 gates of two inputs, 20 of three; depth 13.
#[inline(always)]
pub(super) fn s8<V: Ternary>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = V::lookup::<0x4a>(b, a, e);
    let g7 = V::lookup::<0xc6>(g6, c, d);
    let g8 = V::lookup::<0xf4>(g6, a, c);
    let g9 = V::lookup::<0xa9>(g8, e, g7);
    let g10 = V::lookup::<0x96>(a, b, g9);
    let g11 = V::lookup::<0xd2>(d, b, g7);
    let g12 = V::lookup::<0x12>(g7, b, g8);
    let g13 = V::lookup::<0xe3>(g12, e, f);
    let g14 = V::lookup::<0x6a>(g10, g13, g11);
    let g15 = V::lookup::<0xb6>(f, a, g14);
    let g16 = V::lookup::<0x82>(g14, a, f);
    let g17 = V::lookup::<0xed>(e, g16, g12);
    let g18 = V::lookup::<0xa9>(g14, g17, g15);
    let g19 = V::lookup::<0x7b>(g18, a, g9);
    let g20 = V::lookup::<0x39>(f, g14, g19);
    let g21 = V::lookup::<0x96>(g20, g18, b);
    let g22 = V::lookup::<0x56>(f, g21, g10);
    let g23 = V::lookup::<0xb7>(e, g16, g10);
    let g24 = V::lookup::<0x6a>(g23, g17, g15);
    let g25 = V::lookup::<0x2d>(g21, g22, g23);
    [g22, g20, g24, g25]
}
