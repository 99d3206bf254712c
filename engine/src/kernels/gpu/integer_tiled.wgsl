
// A workgroup has a tile of as many rows as tokens in its memory, a group of 32 columns at a time, and a thread the sums of
// SQUARE rows and SQUARE tokens, SIDE apart; as in `tiled.rs`.

const SIDE = 8u;
const TILE = SIDE * SQUARE;

// Parts of a group lie apart, so that threads that read the same part of neighbours use different banks of memory.
var<workgroup> row_tile: array<vec4<u32>, 3u * TILE>;
var<workgroup> token_tile: array<vec4<u32>, 3u * TILE>;

@compute @workgroup_size(64)
fn multiply(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) unit: u32) {
    let first_row = workgroup.x * TILE;
    let first_token = workgroup.y * TILE;
    let own_row = unit % SIDE;
    let own_token = unit / SIDE;
    let slot = unit % TILE;
    var sums = array<f32, SQUARE * SQUARE>();
    for (var group = 0u; group < sizes.cols / 32u; group++) {
        // Rows and tokens past the end are those at the end again; their sums are not stored. Where a tile has no more rows
        // than half of the threads, the other half has its tokens.
        if (unit < TILE) {
            let w = weights_of(min(first_row + slot, sizes.rows - 1u), group);
            row_tile[slot] = w.first;
            row_tile[TILE + slot] = w.last;
            row_tile[2u * TILE + slot] = bitcast<vec4<u32>>(w.factors);
        }
        if (TILE == UNITS || unit >= TILE) {
            let p = numbers_of(min(first_token + slot, sizes.tokens - 1u), group);
            token_tile[slot] = p.first;
            token_tile[TILE + slot] = p.last;
            token_tile[2u * TILE + slot] = bitcast<vec4<u32>>(p.factors);
        }
        workgroupBarrier();
        for (var r = 0u; r < SQUARE; r++) {
            let row = own_row + r * SIDE;
            let w = Group(row_tile[row], row_tile[TILE + row], bitcast<vec4<f32>>(row_tile[2u * TILE + row]));
            for (var t = 0u; t < SQUARE; t++) {
                let token = own_token + t * SIDE;
                let p = Group(token_tile[token], token_tile[TILE + token], bitcast<vec4<f32>>(token_tile[2u * TILE + token]));
                sums[r * SQUARE + t] += product(w, p);
            }
        }
        workgroupBarrier();
    }
    for (var r = 0u; r < SQUARE; r++) {
        for (var t = 0u; t < SQUARE; t++) {
            let row = first_row + own_row + r * SIDE;
            let token = first_token + own_token + t * SIDE;
            if (row < sizes.rows && token < sizes.tokens) {
                y[token * sizes.out_cols + sizes.first_row + row] = sums[r * SQUARE + t];
            }
        }
    }
}
