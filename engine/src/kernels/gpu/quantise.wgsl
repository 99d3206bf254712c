// Numbers as integers of 8 bits, each group of 32 with a scale of its own: x ≈ scale · q, the largest of a group ±127.
// A thread has a group. Written are three quads: two of four integers a word, then the scale and the sums of the first and of
// the last 16 integers.

@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> quantised: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> groups: array<u32>;

@compute @workgroup_size(64)
fn quantise(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) unit: u32,
) {
    let group = (workgroup.y * workgroups.x + workgroup.x) * 64u + unit;
    if (group >= groups[0]) {
        return;
    }
    var most = vec4<f32>(0.0);
    for (var quad = 0u; quad < 8u; quad++) {
        most = max(most, abs(x[8u * group + quad]));
    }
    let largest = max(max(most.x, most.y), max(most.z, most.w));
    // Below that, its inverse is no number.
    let some = largest > 1e-30;
    let inverse = select(0.0, 127.0 / largest, some);
    var words = array<vec4<u32>, 2>();
    var sums = vec2<i32>(0);
    for (var half = 0u; half < 2u; half++) {
        for (var quad = 0u; quad < 4u; quad++) {
            let word = pack4xI8(vec4<i32>(round(x[8u * group + 4u * half + quad] * inverse)));
            words[half][quad] = word;
            sums[half] += dot4I8Packed(word, 0x01010101u);
        }
    }
    let scale = select(0.0, largest / 127.0, some);
    quantised[3u * group] = words[0];
    quantised[3u * group + 1u] = words[1];
    quantised[3u * group + 2u] = vec4<u32>(bitcast<vec3<u32>>(vec3<f32>(scale, vec2<f32>(sums))), 0u);
}
