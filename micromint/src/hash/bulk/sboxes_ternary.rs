//! Circuits of gates with up to three inputs for the S-boxes of DES.
//!
//! Printed by `tools/sbox-circuits`, which also found them; do not edit. Inputs and outputs are in
//! the order of FIPS 46-3, the leftmost bit first.

use super::word::Ternary;

/// S-box 1: 0 gates of two inputs, 26 of three; depth 10.
#[inline(always)]
pub(super) fn s1<V: Ternary>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = V::lookup::<0x69>(c, e, f);
    let g7 = V::lookup::<0xac>(d, c, e);
    let g8 = V::lookup::<0x6c>(g6, d, e);
    let g9 = V::lookup::<0xdb>(e, f, g8);
    let g10 = V::lookup::<0x39>(g8, c, g9);
    let g11 = V::lookup::<0x7c>(g8, a, g9);
    let g12 = V::lookup::<0x78>(g7, g9, g10);
    let g13 = V::lookup::<0x8e>(g11, c, g6);
    let g14 = V::lookup::<0x8d>(d, e, g12);
    let g15 = V::lookup::<0x89>(e, g12, g13);
    let g16 = V::lookup::<0xd6>(g6, g12, g13);
    let g17 = V::lookup::<0x68>(g15, g9, g6);
    let g18 = V::lookup::<0x5c>(a, g11, g16);
    let g19 = V::lookup::<0x27>(g17, g10, a);
    let g20 = V::lookup::<0x72>(g17, g15, g18);
    let g21 = V::lookup::<0x95>(g15, g14, g11);
    let g22 = V::lookup::<0x53>(g13, g19, g12);
    let g23 = V::lookup::<0x9d>(g9, c, g11);
    let g24 = V::lookup::<0x36>(g7, g15, a);
    let g25 = V::lookup::<0x2a>(g14, g20, b);
    let g26 = V::lookup::<0x74>(f, g21, g6);
    let g27 = V::lookup::<0x3a>(a, g20, g13);
    let g28 = V::lookup::<0x1d>(g22, b, g19);
    let g29 = V::lookup::<0x47>(g24, b, g23);
    let g30 = V::lookup::<0x96>(g23, g26, g25);
    let g31 = V::lookup::<0xd8>(g18, g27, b);
    [g28, g29, g30, g31]
}

/// S-box 2: 3 gates of two inputs, 21 of three; depth 8.
#[inline(always)]
pub(super) fn s2<V: Ternary>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = V::lookup::<0x96>(a, d, e);
    let g7 = V::lookup::<0x19>(e, f, a);
    let g8 = V::lookup::<0xe6>(d, f, e);
    let g9 = V::lookup::<0x89>(a, f, e);
    let g10 = b.and_not(f);
    let g11 = V::lookup::<0x94>(g7, b, g6);
    let g12 = g8.xor(a);
    let g13 = V::lookup::<0xc7>(g10, a, g9);
    let g14 = V::lookup::<0x54>(b, g12, g11);
    let g15 = V::lookup::<0x96>(b, e, g8);
    let g16 = V::lookup::<0x32>(g14, d, g7);
    let g17 = V::lookup::<0x62>(b, g13, g12);
    let g18 = V::lookup::<0x36>(g7, d, g15);
    let g19 = V::lookup::<0xd2>(g14, c, g13);
    let g20 = V::lookup::<0x36>(g16, b, g9);
    let g21 = V::lookup::<0xb8>(g18, g17, g7);
    let g22 = g9.or(g17);
    let g23 = V::lookup::<0xce>(g19, g12, g20);
    let g24 = V::lookup::<0x6c>(g22, g21, c);
    let g25 = V::lookup::<0x27>(g6, g23, g10);
    let g26 = V::lookup::<0x18>(g24, g6, g10);
    let g27 = V::lookup::<0x3e>(c, g20, g14);
    let g28 = V::lookup::<0x9a>(g15, c, g25);
    let g29 = V::lookup::<0x4f>(g27, g26, c);
    [g19, g28, g29, g24]
}

/// S-box 3: 1 gates of two inputs, 23 of three; depth 8.
#[inline(always)]
pub(super) fn s3<V: Ternary>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = V::lookup::<0x2d>(b, f, d);
    let g7 = V::lookup::<0x69>(d, f, e);
    let g8 = V::lookup::<0x96>(e, c, g6);
    let g9 = V::lookup::<0x6d>(g6, g7, f);
    let g10 = V::lookup::<0x36>(g7, g8, d);
    let g11 = V::lookup::<0xd7>(g6, g7, b);
    let g12 = V::lookup::<0x39>(e, g10, c);
    let g13 = V::lookup::<0x59>(g6, f, g10);
    let g14 = V::lookup::<0xd0>(g9, g8, g12);
    let g15 = V::lookup::<0x96>(g12, c, a);
    let g16 = V::lookup::<0x78>(g14, d, b);
    let g17 = V::lookup::<0x5c>(g15, g7, b);
    let g18 = V::lookup::<0x65>(e, g9, g11);
    let g19 = V::lookup::<0xb2>(g8, g17, g14);
    let g20 = V::lookup::<0xc5>(c, g14, g7);
    let g21 = d.xor(g15);
    let g22 = V::lookup::<0x2d>(g15, f, g16);
    let g23 = V::lookup::<0x87>(g13, g16, g9);
    let g24 = V::lookup::<0x93>(g13, g18, c);
    let g25 = V::lookup::<0xc5>(g11, g8, d);
    let g26 = V::lookup::<0x3a>(a, g20, g19);
    let g27 = V::lookup::<0x72>(g22, g21, g19);
    let g28 = V::lookup::<0x2e>(g24, a, g23);
    let g29 = V::lookup::<0x8b>(g12, a, g25);
    [g26, g27, g28, g29]
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
    let g13 = V::lookup::<0xd3>(g8, a, g11);
    let g14 = V::lookup::<0x78>(g10, a, g12);
    let g15 = V::lookup::<0xe4>(d, b, g12);
    let g16 = V::lookup::<0xd2>(g13, e, g10);
    let g17 = g12.xor(g14);
    let g18 = g15.xor(g16);
    let g19 = V::lookup::<0xb8>(g16, f, g14);
    let g20 = V::lookup::<0x2d>(g17, f, g18);
    let g21 = V::lookup::<0x4b>(g17, f, g18);
    let g22 = V::lookup::<0x8b>(g14, f, g16);
    [g20, g21, g19, g22]
}

/// S-box 5: 2 gates of two inputs, 26 of three; depth 8.
#[inline(always)]
pub(super) fn s5<V: Ternary>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = V::lookup::<0xe1>(c, d, f);
    let g7 = V::lookup::<0x78>(c, d, b);
    let g8 = V::lookup::<0x92>(e, b, g6);
    let g9 = V::lookup::<0xb8>(d, f, g7);
    let g10 = V::lookup::<0x3e>(d, b, g6);
    let g11 = V::lookup::<0x3d>(g8, g9, g6);
    let g12 = V::lookup::<0x32>(g6, e, c);
    let g13 = f.xor(d);
    let g14 = V::lookup::<0x69>(g12, g10, f);
    let g15 = g8.xor(d);
    let g16 = V::lookup::<0x3b>(g11, g13, f);
    let g17 = V::lookup::<0x7c>(g15, g13, g14);
    let g18 = V::lookup::<0x69>(g16, e, g7);
    let g19 = V::lookup::<0xb6>(c, g15, g14);
    let g20 = V::lookup::<0x34>(g13, b, g11);
    let g21 = V::lookup::<0x94>(g14, g11, d);
    let g22 = V::lookup::<0xf8>(e, g18, g17);
    let g23 = V::lookup::<0x8e>(g11, g19, g10);
    let g24 = V::lookup::<0x6c>(e, g20, g11);
    let g25 = V::lookup::<0xb4>(g9, g15, g14);
    let g26 = V::lookup::<0xca>(e, g17, g21);
    let g27 = V::lookup::<0x96>(g22, g9, b);
    let g28 = V::lookup::<0x75>(g7, g16, g23);
    let g29 = V::lookup::<0xdc>(g19, g25, g24);
    let g30 = V::lookup::<0xac>(a, g27, g26);
    let g31 = V::lookup::<0xb8>(g18, a, g14);
    let g32 = V::lookup::<0x72>(g28, g15, a);
    let g33 = V::lookup::<0xd8>(g29, g24, a);
    [g30, g31, g32, g33]
}

/// S-box 6: 0 gates of two inputs, 26 of three; depth 10.
#[inline(always)]
pub(super) fn s6<V: Ternary>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = V::lookup::<0x69>(a, d, f);
    let g7 = V::lookup::<0x19>(f, a, d);
    let g8 = V::lookup::<0x47>(c, a, g6);
    let g9 = V::lookup::<0x92>(f, g7, c);
    let g10 = V::lookup::<0xda>(d, f, c);
    let g11 = V::lookup::<0x47>(g9, e, g6);
    let g12 = V::lookup::<0x8b>(g8, f, g9);
    let g13 = V::lookup::<0xe1>(g6, c, b);
    let g14 = V::lookup::<0x4a>(g11, g12, a);
    let g15 = V::lookup::<0x9c>(f, g13, g7);
    let g16 = V::lookup::<0x13>(g7, g14, c);
    let g17 = V::lookup::<0x78>(e, g14, g10);
    let g18 = V::lookup::<0x69>(a, g16, e);
    let g19 = V::lookup::<0x87>(g17, g13, g16);
    let g20 = V::lookup::<0x4d>(g8, g18, g12);
    let g21 = V::lookup::<0xb4>(g18, g8, g10);
    let g22 = V::lookup::<0x47>(g19, c, g6);
    let g23 = V::lookup::<0x3a>(b, g21, g20);
    let g24 = V::lookup::<0xcb>(g20, g19, g22);
    let g25 = V::lookup::<0xd4>(g16, g6, c);
    let g26 = V::lookup::<0x43>(g24, g23, g14);
    let g27 = V::lookup::<0xac>(e, g24, g15);
    let g28 = V::lookup::<0xc5>(e, g12, g22);
    let g29 = V::lookup::<0x6a>(g25, b, g11);
    let g30 = V::lookup::<0xac>(b, g19, g26);
    let g31 = V::lookup::<0xca>(b, g28, g27);
    [g29, g30, g31, g23]
}

/// S-box 7: 1 gates of two inputs, 24 of three; depth 8.
#[inline(always)]
pub(super) fn s7<V: Ternary>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = V::lookup::<0x1a>(d, c, e);
    let g7 = V::lookup::<0x96>(f, c, e);
    let g8 = V::lookup::<0xf9>(b, c, d);
    let g9 = V::lookup::<0xad>(g7, g6, d);
    let g10 = V::lookup::<0x34>(g7, b, f);
    let g11 = V::lookup::<0x1d>(g6, g9, c);
    let g12 = V::lookup::<0x78>(g7, g6, e);
    let g13 = V::lookup::<0x69>(g11, b, e);
    let g14 = V::lookup::<0x67>(g11, g12, b);
    let g15 = V::lookup::<0x93>(e, g13, g8);
    let g16 = V::lookup::<0x1e>(g12, g13, g10);
    let g17 = V::lookup::<0x90>(g15, c, g7);
    let g18 = g16.and_not(g6);
    let g19 = V::lookup::<0x7e>(g11, c, g16);
    let g20 = V::lookup::<0xdc>(e, g10, g16);
    let g21 = V::lookup::<0x23>(g9, g18, g10);
    let g22 = V::lookup::<0xcb>(g20, g18, g19);
    let g23 = V::lookup::<0xbe>(g14, g19, g17);
    let g24 = V::lookup::<0xa6>(g8, g7, g14);
    let g25 = V::lookup::<0xac>(g18, g13, g11);
    let g26 = V::lookup::<0x3a>(b, g16, g9);
    let g27 = V::lookup::<0x74>(g21, a, g15);
    let g28 = V::lookup::<0x63>(g23, g22, a);
    let g29 = V::lookup::<0xac>(a, g25, g24);
    let g30 = V::lookup::<0x9c>(g19, g26, a);
    [g27, g28, g29, g30]
}

/// S-box 8: 0 gates of two inputs, 20 of three; depth 13.
#[inline(always)]
pub(super) fn s8<V: Ternary>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
    let g6 = V::lookup::<0x4a>(b, a, e);
    let g7 = V::lookup::<0xc6>(g6, c, d);
    let g8 = V::lookup::<0xf4>(g6, a, c);
    let g9 = V::lookup::<0xd2>(d, b, g7);
    let g10 = V::lookup::<0xa9>(g8, e, g7);
    let g11 = V::lookup::<0x12>(g7, b, g8);
    let g12 = V::lookup::<0x96>(a, b, g10);
    let g13 = V::lookup::<0xe3>(g11, e, f);
    let g14 = V::lookup::<0x6a>(g12, g13, g9);
    let g15 = V::lookup::<0x82>(g14, a, f);
    let g16 = V::lookup::<0xb6>(f, a, g14);
    let g17 = V::lookup::<0xed>(e, g15, g11);
    let g18 = V::lookup::<0xb7>(e, g15, g12);
    let g19 = V::lookup::<0xa9>(g14, g17, g16);
    let g20 = V::lookup::<0x6a>(g18, g17, g16);
    let g21 = V::lookup::<0x7b>(g19, a, g10);
    let g22 = V::lookup::<0x39>(f, g14, g21);
    let g23 = V::lookup::<0x96>(g22, g19, b);
    let g24 = V::lookup::<0x56>(f, g23, g12);
    let g25 = V::lookup::<0x2d>(g23, g24, g18);
    [g24, g22, g20, g25]
}
