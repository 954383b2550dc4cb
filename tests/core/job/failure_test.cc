#include "core/job/failure.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/runtime/jit_exception.h>

#include <new>
#include <stdexcept>
#include <system_error>

#include "absl/types/optional.h"

namespace acclimate::job {
namespace {

using ::testing::HasSubstr;

template <typename Function>
absl::Status StatusOf(const Function& throws) {
  try {
    throws();
  } catch (...) {
    return StatusFromCurrentException();
  }
  return absl::OkStatus();
}

TEST(FailureTest, WhatLibTorchSaysOfTheModelAndTheDataIsTheirFault) {
  const absl::Status shape = StatusOf([] { at::zeros({2, 3}).matmul(at::zeros({2, 3})); });
  EXPECT_EQ(shape.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(shape.message()), HasSubstr("shape"));
  const absl::Status raised = StatusOf([] { throw torch::jit::JITException("wrong class"); });
  EXPECT_EQ(raised.code(), absl::StatusCode::kInvalidArgument);
}

TEST(FailureTest, WhatTheMachineLacksIsNobodysFault) {
  for (const std::errc code : {std::errc::resource_unavailable_try_again,
                               std::errc::not_enough_memory, std::errc::no_space_on_device}) {
    EXPECT_EQ(StatusOf([code] { throw std::system_error(std::make_error_code(code)); }).code(),
              absl::StatusCode::kResourceExhausted);
  }
  EXPECT_EQ(StatusOf([] { throw std::bad_alloc(); }).code(), absl::StatusCode::kResourceExhausted);
}

TEST(FailureTest, WhatOurOwnCodeThrowsIsInternal) {
  EXPECT_EQ(StatusOf([] { throw std::out_of_range("map::at"); }).code(),
            absl::StatusCode::kInternal);
  EXPECT_EQ(StatusOf([] { absl::optional<int>().value(); }).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(StatusOf([] {
              throw std::system_error(std::make_error_code(std::errc::permission_denied));
            }).code(),
            absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace acclimate::job
