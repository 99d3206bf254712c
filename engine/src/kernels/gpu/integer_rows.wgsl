
// THREADS neighbouring threads walk the groups of the same ROWS rows, which each meets with TOKENS tokens; as in `linear.rs`.
// Where rows are PAIRED, a thread has a gate's row and its partner in the lower half of the matrix.

const TILE = ROWS * TOKENS;

var<workgroup> parts: array<f32, PARTS>;

@compute @workgroup_size(64)
fn multiply(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) unit: u32) {
    let lane = unit % THREADS;
    let slot = workgroup.x * (UNITS / THREADS) + unit / THREADS;
    let first_row = select(slot * ROWS, slot, PAIRED);
    let step = select(1u, sizes.rows / 2u, PAIRED);
    let rows = select(sizes.rows, sizes.rows / 2u, PAIRED);
    let first_token = workgroup.y * TOKENS;
    var sums = array<f32, TILE>();
    // Rows and tokens past the end are those at the end again; their sums are not stored.
    for (var group = lane; group < sizes.cols / 32u; group += THREADS) {
        var groups = array<Group, ROWS>();
        for (var r = 0u; r < ROWS; r++) {
            groups[r] = weights_of(min(first_row + r * step, sizes.rows - 1u), group);
        }
        for (var t = 0u; t < TOKENS; t++) {
            let numbers = numbers_of(min(first_token + t, sizes.tokens - 1u), group);
            for (var r = 0u; r < ROWS; r++) {
                sums[r * TOKENS + t] += product(groups[r], numbers);
            }
        }
    }
    if (THREADS > 1u) {
        for (var i = 0u; i < TILE; i++) {
            parts[unit * TILE + i] = sums[i];
        }
        workgroupBarrier();
        if (lane == 0u) {
            for (var i = 0u; i < TILE; i++) {
                for (var other = 1u; other < THREADS; other++) {
                    sums[i] += parts[(unit + other) * TILE + i];
                }
            }
        }
    }
    if (lane > 0u || first_row >= rows) {
        return;
    }
    if (PAIRED) {
        y[first_row] = gelu_tanh(sums[0]) * sums[TILE - 1u];
        return;
    }
    for (var i = 0u; i < TILE; i++) {
        let row = first_row + i / TOKENS;
        let token = first_token + i % TOKENS;
        if (row < sizes.rows && token < sizes.tokens) {
            y[token * sizes.out_cols + sizes.first_row + row] = sums[i];
        }
    }
}
