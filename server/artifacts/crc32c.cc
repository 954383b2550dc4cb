#include "server/artifacts/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace acclimate::artifacts {
namespace {

constexpr uint32_t kReversedPolynomial = 0x82f63b78;

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value & 1) ? (value >> 1) ^ kReversedPolynomial : value >> 1;
    }
    table[i] = value;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kTable = MakeTable();

#if defined(__x86_64__)

// The instruction has a latency of three cycles and a throughput of one: three streams at a time
// keep it busy. Joining their checksums needs "this checksum, then n zero bytes", a linear map of
// the 32 bits that is tabulated byte by byte for one block length.
constexpr size_t kBlockBytes = 4096;
constexpr size_t kStreams = 3;

using ZerosTable = std::array<std::array<uint32_t, 256>, 4>;

ZerosTable MakeZerosTable() {
  std::array<uint32_t, 32> image{};
  for (int bit = 0; bit < 32; ++bit) {
    uint32_t value = uint32_t{1} << bit;
    for (size_t i = 0; i < kBlockBytes; ++i) value = kTable[value & 0xff] ^ (value >> 8);
    image[bit] = value;
  }
  ZerosTable table{};
  for (int byte = 0; byte < 4; ++byte) {
    for (int pattern = 0; pattern < 256; ++pattern) {
      for (int bit = 0; bit < 8; ++bit) {
        if (pattern >> bit & 1) table[byte][pattern] ^= image[byte * 8 + bit];
      }
    }
  }
  return table;
}

uint32_t AppendZeroBlock(const ZerosTable& table, uint32_t crc) {
  return table[0][crc & 0xff] ^ table[1][crc >> 8 & 0xff] ^ table[2][crc >> 16 & 0xff] ^
         table[3][crc >> 24];
}

uint64_t LoadWord(const char* data) {
  uint64_t word;
  std::memcpy(&word, data, sizeof(word));
  return word;
}

__attribute__((target("sse4.2"))) uint32_t Crc32cHardware(absl::string_view data) {
  static const ZerosTable* const zeros = new ZerosTable(MakeZerosTable());
  uint64_t crc = 0xffffffff;
  while (data.size() >= kStreams * kBlockBytes) {
    uint64_t second = 0, third = 0;
    for (size_t i = 0; i < kBlockBytes; i += sizeof(uint64_t)) {
      crc = _mm_crc32_u64(crc, LoadWord(data.data() + i));
      second = _mm_crc32_u64(second, LoadWord(data.data() + kBlockBytes + i));
      third = _mm_crc32_u64(third, LoadWord(data.data() + 2 * kBlockBytes + i));
    }
    crc = AppendZeroBlock(*zeros, static_cast<uint32_t>(crc)) ^ second;
    crc = AppendZeroBlock(*zeros, static_cast<uint32_t>(crc)) ^ third;
    data.remove_prefix(kStreams * kBlockBytes);
  }
  for (; data.size() >= sizeof(uint64_t); data.remove_prefix(sizeof(uint64_t))) {
    crc = _mm_crc32_u64(crc, LoadWord(data.data()));
  }
  uint32_t tail = static_cast<uint32_t>(crc);
  for (char c : data) tail = _mm_crc32_u8(tail, static_cast<unsigned char>(c));
  return ~tail;
}

#endif

}  // namespace

uint32_t Crc32cPortable(absl::string_view data) {
  uint32_t crc = 0xffffffff;
  for (char c : data) crc = kTable[(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ (crc >> 8);
  return ~crc;
}

uint32_t Crc32c(absl::string_view data) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2");
  if (has_instruction) return Crc32cHardware(data);
#endif
  return Crc32cPortable(data);
}

}  // namespace acclimate::artifacts
