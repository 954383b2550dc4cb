#include "server/artifacts/crc32c.h"

#include <numeric>
#include <random>
#include <string>

#include "gtest/gtest.h"

namespace acclimate::artifacts {
namespace {

// RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
TEST(Crc32cTest, KnownVectors) {
  std::string rising(32, '\0');
  std::iota(rising.begin(), rising.end(), 0);
  const std::string falling(rising.rbegin(), rising.rend());
  const std::pair<std::string, uint32_t> kVectors[] = {
      {std::string(32, '\0'), 0x8a9136aa},
      {std::string(32, '\xff'), 0x62a8ab43},
      {rising, 0x46dd794e},
      {falling, 0x113fdb5c},
      {"123456789", 0xe3069283},
      {"", 0},
  };
  for (const auto& [data, crc] : kVectors) {
    EXPECT_EQ(Crc32c(data), crc) << data.size();
    EXPECT_EQ(Crc32cPortable(data), crc) << data.size();
  }
}

// The fast form works in blocks of 3 x 4096 bytes: every way to begin, cross and end one.
TEST(Crc32cTest, FastFormAgreesWithThePortableOne) {
  std::mt19937 random(1);
  std::string data(64 << 10, '\0');
  for (char& c : data) c = static_cast<char>(random());
  const absl::string_view bytes = data;
  for (size_t length :
       {0, 1, 7, 8, 9, 15, 4095, 4096, 12287, 12288, 12289, 12296, 24575, 24576, 24577, 65000}) {
    for (size_t start : {0, 1, 3, 8}) {
      EXPECT_EQ(Crc32c(bytes.substr(start, length)), Crc32cPortable(bytes.substr(start, length)))
          << length << " bytes from " << start;
    }
  }
}

TEST(Crc32cTest, EveryFlippedBitShows) {
  std::string data = "a chunk on its way";
  const uint32_t crc = Crc32c(data);
  for (size_t bit = 0; bit < 8 * data.size(); ++bit) {
    data[bit / 8] ^= static_cast<char>(1 << bit % 8);
    EXPECT_NE(Crc32c(data), crc) << bit;
    data[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
}

}  // namespace
}  // namespace acclimate::artifacts
