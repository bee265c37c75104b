// An unknown instruction raises SIGILL. The handler reads its EVEX encoding (Intel's manual, volume 2, section 2.7) and
// its operands from the frame of the signal, does block by block what AES-NI and PCLMULQDQ do, and steps over it.
#include "tests/crypto-offload/vaes_interpreter.h"

#include <cpuid.h>
#include <immintrin.h>
#include <signal.h>
#include <ucontext.h>

#include <array>
#include <cstdint>
#include <cstring>

#include "crypto-offload/vaes_gcm.h"

namespace viaduct::crypto {
namespace {

constexpr size_t kBlock = 16;
constexpr size_t kMaxBlocks = 4;

struct Register {
  __m128i blocks[kMaxBlocks];
};

// Registers hold addresses.
const uint8_t* memory_at(uint64_t address) {
  return reinterpret_cast<const uint8_t*>(address);  // NOLINT(performance-no-int-to-ptr)
}

// Where a component of the extended state lies in the frame (volume 1, section 13.5); without AVX-512's opmasks, which
// these instructions have no use for as they are compiled.
struct Component {
  unsigned number;
  unsigned size;
  unsigned offset;
};
constexpr unsigned kLegacyVectors = 160;
constexpr unsigned kHeader = 512;
Component upper_128{2, 256, 0}, upper_256{6, 512, 0}, upper_registers{7, 1024, 0};

void find(Component& component) {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  __get_cpuid_count(0xd, component.number, &eax, &ebx, &ecx, &edx);
  component.offset = ebx;
}

class Frame {
 public:
  explicit Frame(ucontext_t* context)
      : general_(context->uc_mcontext.gregs), state_(reinterpret_cast<uint8_t*>(context->uc_mcontext.fpregs)) {
    for (const Component* component : {&upper_128, &upper_256, &upper_registers}) initialise(*component);
  }

  Register read(unsigned number) const {
    Register value;
    for (size_t i = 0; i < kMaxBlocks; ++i) std::memcpy(&value.blocks[i], place(number, i), kBlock);
    return value;
  }
  void write(unsigned number, const Register& value) {
    for (size_t i = 0; i < kMaxBlocks; ++i) std::memcpy(place(number, i), &value.blocks[i], kBlock);
  }
  uint64_t general(unsigned number) const {
    static constexpr int kOrder[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                     REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return static_cast<uint64_t>(general_[kOrder[number]]);
  }
  const uint8_t* next_instruction() const { return memory_at(static_cast<uint64_t>(general_[REG_RIP])); }
  void step_over(size_t bytes) { general_[REG_RIP] += static_cast<greg_t>(bytes); }

 private:
  // A component that is as it was at the beginning has no bytes in the frame.
  void initialise(const Component& component) {
    uint64_t present;
    std::memcpy(&present, state_ + kHeader, sizeof present);
    const uint64_t bit = uint64_t{1} << component.number;
    if ((present & bit) == 0) std::memset(state_ + component.offset, 0, component.size);
    present |= bit | 2;
    std::memcpy(state_ + kHeader, &present, sizeof present);
  }
  uint8_t* place(unsigned number, size_t block) const {
    if (number >= 16) return state_ + upper_registers.offset + (number - 16) * 64 + block * kBlock;
    if (block == 0) return state_ + kLegacyVectors + number * kBlock;
    if (block == 1) return state_ + upper_128.offset + number * kBlock;
    return state_ + upper_256.offset + number * 32 + (block - 2) * kBlock;
  }

  greg_t* general_;
  uint8_t* state_;
};

struct Instruction {
  uint8_t opcode = 0;
  unsigned destination = 0;
  unsigned first = 0;
  Register second{};
  uint8_t immediate = 0;
  size_t blocks = 0;
  size_t length = 0;
};

int32_t signed_at(const uint8_t* p, size_t size) {
  int32_t value = (p[0] ^ 0x80) - 0x80;
  if (size == 4) std::memcpy(&value, p, 4);
  return value;
}

// The address of a memory operand; `at` is moved from its ModRM byte to behind it.
uint64_t address_of(const Frame& frame, const uint8_t*& at, unsigned base_high, unsigned index_high, size_t unit,
                    size_t immediate_size) {
  const unsigned mode = *at >> 6;
  unsigned base = *at++ & 7;
  uint64_t address = 0;
  bool has_base = true;
  if (base == 4) {
    const unsigned scale = *at >> 6, index = (*at >> 3 & 7) | index_high;
    base = *at++ & 7;
    if (index != 4) address = frame.general(index) << scale;
    has_base = mode != 0 || base != 5;
  } else if (mode == 0 && base == 5) {
    const auto offset = signed_at(at, 4);
    at += 4;
    return reinterpret_cast<uint64_t>(at) + immediate_size + static_cast<uint64_t>(int64_t{offset});
  }
  if (has_base) address += frame.general(base | base_high);
  if (mode == 1) {
    address += static_cast<uint64_t>(int64_t{signed_at(at, 1)} * static_cast<int64_t>(unit));
    at += 1;
  } else if (mode == 2 || !has_base) {
    address += static_cast<uint64_t>(int64_t{signed_at(at, 4)});
    at += 4;
  }
  return address;
}

// False where it is none of the instructions in question, or in a form that compilers have no reason for.
bool decode(const Frame& frame, Instruction& out) {
  const uint8_t* code = frame.next_instruction();
  if (code[0] != 0x62 || (code[2] & 3) != 1) return false;
  const uint8_t map = code[1] & 7;
  out.opcode = code[4];
  const bool is_aes = map == 2 && out.opcode >= 0xdc && out.opcode <= 0xdf;
  if (!is_aes && (map != 3 || out.opcode != 0x44)) return false;
  const uint8_t length = code[3] >> 5 & 3;
  if (length == 3 || (code[3] & 0x97) != 0) return false;  // masks, zeroing, broadcast
  out.blocks = size_t{1} << length;
  const auto high = [](uint8_t byte, int bit, unsigned value) { return (byte >> bit & 1) != 0 ? 0 : value; };
  const uint8_t* at = code + 5;
  out.destination = (*at >> 3 & 7) | high(code[1], 7, 8) | high(code[1], 4, 16);
  out.first = (~(code[2] >> 3) & 15) | high(code[3], 3, 16);
  const unsigned base_high = high(code[1], 5, 8), index_high = high(code[1], 6, 8);
  const size_t immediate_size = is_aes ? 0 : 1;
  if (*at >> 6 == 3) {
    out.second = frame.read((*at++ & 7) | base_high | (index_high << 1));
  } else {
    const uint64_t address = address_of(frame, at, base_high, index_high, out.blocks * kBlock, immediate_size);
    std::memcpy(&out.second, memory_at(address), out.blocks * kBlock);
  }
  if (!is_aes) out.immediate = *at++;
  out.length = static_cast<size_t>(at - code);
  return true;
}

[[gnu::target("aes,pclmul")]] __m128i carry_less_product(__m128i a, __m128i b, uint8_t which) {
  if ((which & 1) != 0) a = _mm_unpackhi_epi64(a, a);
  if ((which & 16) != 0) b = _mm_unpackhi_epi64(b, b);
  return _mm_clmulepi64_si128(a, b, 0);
}

[[gnu::target("aes,pclmul")]] __m128i result_of(const Instruction& instruction, __m128i a, __m128i b) {
  switch (instruction.opcode) {
    case 0xdc:
      return _mm_aesenc_si128(a, b);
    case 0xdd:
      return _mm_aesenclast_si128(a, b);
    case 0xde:
      return _mm_aesdec_si128(a, b);
    case 0xdf:
      return _mm_aesdeclast_si128(a, b);
    default:
      return carry_less_product(a, b, instruction.immediate);
  }
}

void on_unknown_instruction(int signal, siginfo_t*, void* context) {
  Frame frame(static_cast<ucontext_t*>(context));
  Instruction instruction;
  if (!decode(frame, instruction)) {
    ::signal(signal, SIG_DFL);
    return;  // and meet it again
  }
  // One after the other as long as there are such, because a signal takes longer than they do.
  do {
    const Register first = frame.read(instruction.first);
    Register result{};  // what is beyond the operands' length becomes zero
    for (size_t i = 0; i < instruction.blocks; ++i) {
      result.blocks[i] = result_of(instruction, first.blocks[i], instruction.second.blocks[i]);
    }
    frame.write(instruction.destination, result);
    frame.step_over(instruction.length);
  } while (decode(frame, instruction));
}

}  // namespace

bool run_vaes_here() {
  if (vaes_gcm::usable()) return true;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("pclmul") ||
      !__builtin_cpu_supports("aes") || !__builtin_cpu_supports("bmi2")) {
    return false;
  }
  for (Component* component : {&upper_128, &upper_256, &upper_registers}) find(*component);
  struct sigaction action = {};
  action.sa_sigaction = on_unknown_instruction;
  action.sa_flags = SA_SIGINFO;
  return sigaction(SIGILL, &action, nullptr) == 0;
}

}  // namespace viaduct::crypto
