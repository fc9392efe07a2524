/** What `run` returns. Errors are negative; zlib's words for them stand in the host's messages. */
export const NEED_INPUT: i32 = 0;
export const NEED_OUTPUT: i32 = 1;
/** Between two blocks, `out` at or behind `checkpointAt`. */
export const AT_BOUNDARY: i32 = 2;
export const END_OF_STREAM: i32 = 3;
/** Between two symbols of a block that went on for too long, `out` at or just behind `insideAt`. */
export const INSIDE_BLOCK: i32 = 4;

/** Never returned by `run`. */
export const GO_ON: i32 = 8;
export const BLOCK_ENDED: i32 = 9;

export const BAD_BLOCK_TYPE: i32 = -1;
export const BAD_STORED_LENGTH: i32 = -2;
export const BAD_COUNTS: i32 = -3;
export const BAD_CODE_LENGTHS: i32 = -4;
export const BAD_REPEAT: i32 = -5;
export const NO_END_OF_BLOCK: i32 = -6;
export const BAD_LITLEN_SET: i32 = -7;
export const BAD_DISTANCE_SET: i32 = -8;
export const BAD_LITLEN_CODE: i32 = -9;
export const BAD_DISTANCE_CODE: i32 = -10;
export const TOO_FAR_BACK: i32 = -11;
