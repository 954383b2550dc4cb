#include "core/runtime/precision.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>

namespace acclimate::runtime {
namespace {

const c10::Device kProcessor(c10::kCPU);
const c10::Device kGpu(c10::kCUDA, 0);

std::string Cpuinfo(const std::string& flags) {
  return "processor\t: 0\nmodel name\t: Made up avx512_bf16\nflags\t\t: " + flags +
         "\nbugs\t\t: amx_bf16\n\nprocessor\t: 1\nflags\t\t: " + flags + "\n";
}

TEST(CpuHasBf16Test, GoesByTheFlags) {
  EXPECT_TRUE(CpuHasBf16(Cpuinfo("fpu avx2 avx512f avx512_bf16 clzero")));
  EXPECT_TRUE(CpuHasBf16(Cpuinfo("avx512_bf16")));
  EXPECT_TRUE(CpuHasBf16(Cpuinfo("fpu amx_bf16 amx_tile")));
  EXPECT_FALSE(CpuHasBf16(Cpuinfo("fpu avx2 avx512f avx512bw")));
  EXPECT_FALSE(CpuHasBf16(Cpuinfo("fpu amx_tile amx_int8 avx512_bf16x")));
  EXPECT_FALSE(CpuHasBf16(""));
}

TEST(CpuHasBf16Test, HereIsOneAnswer) { EXPECT_EQ(HasFastBf16(kProcessor), CpuHasBf16()); }

// What is asked for, on which device, whether bf16 is fast there; what comes of it.
struct Row {
  const char* asked;
  c10::Device device;
  bool fast_bf16;
  at::ScalarType type;
  const char* warning;
};

TEST(ResolvePrecisionTest, IsTheTable) {
  const Row rows[] = {
      {"auto", kProcessor, true, at::kBFloat16, ""},
      {"auto", kProcessor, false, at::kFloat, ""},
      {"auto", kGpu, true, at::kBFloat16, ""},
      {"auto", kGpu, false, at::kHalf, ""},
      {"fp32", kProcessor, true, at::kFloat, ""},
      {"fp32", kGpu, true, at::kFloat, ""},
      {"bf16", kProcessor, true, at::kBFloat16, ""},
      {"bf16", kProcessor, false, at::kBFloat16,
       "bf16 is slower than fp32 here: the processor has neither avx512_bf16 nor amx_bf16"},
      {"bf16", kGpu, true, at::kBFloat16, ""},
      {"bf16", kGpu, false, at::kBFloat16,
       "bf16 is slower than fp16 here: the GPU has compute capability below 8.0"},
      {"fp16", kGpu, true, at::kHalf, ""},
      {"fp16", kGpu, false, at::kHalf, ""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(row.asked) + " on " + row.device.str());
    const absl::StatusOr<Precision> precision =
        ResolvePrecision(row.asked, row.device, row.fast_bf16);
    ASSERT_TRUE(precision.ok()) << precision.status();
    EXPECT_EQ(precision->type, row.type);
    EXPECT_EQ(precision->warning, row.warning);
  }
}

TEST(ResolvePrecisionTest, HalfOnTheCpuIsAPrecondition) {
  for (const bool fast_bf16 : {false, true}) {
    const absl::Status status = ResolvePrecision("fp16", kProcessor, fast_bf16).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(status.message(),
              "fp16 is for CUDA devices and the run is on the CPU, which takes auto, fp32 or bf16");
  }
}

TEST(ResolvePrecisionTest, RefusesNonsenseAndQuotesIt) {
  for (const std::string text : {"", "half", "FP32", "tf32", "bf16 "}) {
    const absl::Status status = ResolvePrecision(text, kProcessor, false).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_NE(status.message().find("\"" + text + "\""), std::string::npos) << status;
  }
}

TEST(PrecisionNameTest, IsTheWordThatAsksForIt) {
  for (const char* text : {"fp32", "bf16", "fp16"}) {
    EXPECT_EQ(PrecisionName(ResolvePrecision(text, kGpu, true)->type), text);
  }
}

}  // namespace
}  // namespace acclimate::runtime
