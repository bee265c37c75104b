// Runs VAES and VPCLMULQDQ on CPUs that have AVX-512 without them, so that tests execute the very code that other CPUs
// run.
#pragma once

namespace viaduct::crypto {

// True where such code runs from now on: the CPU has the instructions, or each of them that it meets and does not know
// is interpreted, block by block, from a signal handler (which takes a microsecond or two). False where it cannot.
bool run_vaes_here();

}  // namespace viaduct::crypto
