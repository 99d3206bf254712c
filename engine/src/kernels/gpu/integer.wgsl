// Products of packed weights with activations that `quantise.wgsl` made integers of 8 bits, four multiplications at a time.
//
// A weight is `d · q - m`, its offset being part of `m`, and a number is `s · p`; so what a group of 32 adds to a sum is
// `s · (d · Σ q p - m · Σ p)`, for each half of the group, and only Σ q p is left to be computed: in whole numbers, exactly.
//
// `integer.rs` puts constants in front: LOW_BITS and HIGH_BITS of a stored value, OFFSET, SCALES, and how the work is split.

@group(0) @binding(0) var<storage, read_write> weights: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> x: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> sizes: Sizes;

struct Sizes {
    tokens: u32,
    rows: u32,
    cols: u32,
    first_row: u32,
    out_cols: u32,
    // Where the parts of the piece begin, in quads.
    high: u32,
    scales: u32,
    super_scales: u32,
}

// Threads of a workgroup.
const UNITS = 64u;
// Kinds of SCALES: a half for a group; a half and a minimum; 4-bit and 6-bit types in blocks of 256.
const HALF = 0u;
const HALF_AND_MINIMUM = 1u;
const Q4_K = 2u;
const Q6_K = 3u;

// A group of 32 integers: those of its halves, four a word, and two factors of each half.
struct Group {
    first: vec4<u32>,
    last: vec4<u32>,
    // d, d, m, m of a weight; s, Σ p, Σ p of a token.
    factors: vec4<f32>,
}

fn word(start: u32, index: u32) -> u32 {
    return weights[start + index / 4u][index % 4u];
}

fn half_of(start: u32, index: u32) -> f32 {
    let pair = unpack2x16float(word(start, index / 2u));
    return select(pair.x, pair.y, index % 2u == 1u);
}

// The bits above those of the values, of the half that `bits` belong to, each in the byte of its value.
fn spread(bits: u32, half: u32) -> vec4<u32> {
    if (HIGH_BITS == 1u) {
        let fours = (vec4<u32>(bits) >> (vec4<u32>(0u, 4u, 8u, 12u) + 16u * half)) & vec4<u32>(15u);
        return ((fours * 0x00204081u) & vec4<u32>(0x01010101u)) << vec4<u32>(4u);
    }
    let b = (vec4<u32>(bits) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
    let apart = b | (b << vec4<u32>(6u)) | (b << vec4<u32>(12u)) | (b << vec4<u32>(18u));
    return (apart & vec4<u32>(0x03030303u)) << vec4<u32>(4u);
}

fn factors_of(group: u32) -> vec4<f32> {
    var d = vec2<f32>();
    var m = vec2<f32>();
    if (SCALES == HALF) {
        d = vec2<f32>(half_of(sizes.scales, group));
    } else if (SCALES == HALF_AND_MINIMUM) {
        let both = unpack2x16float(word(sizes.scales, group));
        d = both.xx;
        m = -both.yy;
    } else if (SCALES == Q4_K) {
        // Eight scales and eight minima of 6 bits in 12 bytes: the upper bits of the last four lie above the first four.
        let quad = weights[sizes.scales + group / 8u];
        let both = unpack2x16float(quad.x);
        let bytes = (quad.yzw >> vec3<u32>(8u * (group % 4u))) & vec3<u32>(255u);
        let early = bytes.xy & vec2<u32>(63u);
        let late = vec2<u32>(bytes.z & 15u, bytes.z >> 4u) | ((bytes.xy >> vec2<u32>(6u)) << vec2<u32>(4u));
        let six = vec2<f32>(select(late, early, group % 8u < 4u)) * both;
        d = six.xx;
        m = six.yy;
    } else {
        let bytes = word(sizes.scales, group / 2u) >> (16u * (group % 2u));
        let signed = vec2<i32>(vec2<u32>(bytes << 24u, bytes << 16u)) >> vec2<u32>(24u);
        d = vec2<f32>(signed) * half_of(sizes.super_scales, group / 8u);
    }
    return vec4<f32>(d, m + d * OFFSET);
}

fn weights_of(row: u32, index: u32) -> Group {
    let group = row * (sizes.cols / 32u) + index;
    var first: vec4<u32>;
    var last: vec4<u32>;
    if (LOW_BITS == 8u) {
        first = weights[2u * group];
        last = weights[2u * group + 1u];
    } else {
        let both = weights[group];
        first = both & vec4<u32>(0x0f0f0f0fu);
        last = (both >> vec4<u32>(4u)) & vec4<u32>(0x0f0f0f0fu);
    }
    if (HIGH_BITS == 1u) {
        let bits = word(sizes.high, group);
        first |= spread(bits, 0u);
        last |= spread(bits, 1u);
    } else if (HIGH_BITS == 2u) {
        first |= spread(word(sizes.high, 2u * group), 0u);
        last |= spread(word(sizes.high, 2u * group + 1u), 1u);
    }
    return Group(first, last, factors_of(group));
}

fn numbers_of(token: u32, index: u32) -> Group {
    let quad = 3u * (token * (sizes.cols / 32u) + index);
    return Group(x[quad], x[quad + 1u], bitcast<vec4<f32>>(x[quad + 2u]));
}

fn dot_of(a: vec4<u32>, b: vec4<u32>) -> f32 {
    return f32(dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w));
}

// What a group adds to a sum.
fn product(w: Group, p: Group) -> f32 {
    let dots = vec4<f32>(dot_of(w.first, p.first), dot_of(w.last, p.last), -p.factors.yz);
    return p.factors.x * dot(w.factors, dots);
}

// As `gelu_tanh` of `elementwise.rs`.
fn gelu_tanh(a: f32) -> f32 {
    let inner = clamp(0.7978846 * (a + 0.044715 * a * a * a), -10.0, 10.0);
    return 0.5 * a * (2.0 - 2.0 / (exp(2.0 * inner) + 1.0));
}
