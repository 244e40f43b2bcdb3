import { configure } from "../src/index.ts";

// Whoever reads freed memory gets NaN, whoever keeps a view of memory across an allocation finds it empty.
configure({ poison: true });
