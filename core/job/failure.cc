#include "core/job/failure.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/runtime/jit_exception.h>

#include <exception>
#include <new>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace acclimate::job {
namespace {

bool IsOutOfMemory(absl::string_view message) {
  return absl::StrContains(message, "can't allocate memory") ||
         absl::StrContains(message, "not enough memory") ||
         absl::StrContains(message, "out of memory");
}

// The line that says what happened: in a TorchScript traceback the one after "RuntimeError: ", else
// the first.
absl::string_view ReasonIn(absl::string_view message) {
  constexpr absl::string_view kMarker = "RuntimeError: ";
  const size_t marker = message.rfind(kMarker);
  if (marker != absl::string_view::npos) message.remove_prefix(marker + kMarker.size());
  message = absl::StripLeadingAsciiWhitespace(message);
  return absl::StripAsciiWhitespace(message.substr(0, message.find('\n')));
}

absl::Status FromTorch(absl::string_view message) {
  const absl::string_view reason = ReasonIn(message);
  if (IsOutOfMemory(message)) {
    return absl::ResourceExhaustedError(absl::StrCat("out of memory: ", reason));
  }
  return absl::InvalidArgumentError(absl::StrCat("the model failed on the data: ", reason));
}

}  // namespace

absl::Status StatusFromCurrentException() {
  try {
    throw;
  } catch (const c10::Error& error) {
    return FromTorch(error.what_without_backtrace());
  } catch (const torch::jit::JITException& error) {
    return FromTorch(error.what());
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const std::system_error& error) {
    // Of the machine: a thread that cannot be started, a disk that is full.
    const bool exhausted = error.code() == std::errc::resource_unavailable_try_again ||
                           error.code() == std::errc::not_enough_memory ||
                           error.code() == std::errc::no_space_on_device;
    return absl::Status(
        exhausted ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal,
        ReasonIn(error.what()));
  } catch (const std::runtime_error& error) {  // how the TorchScript interpreter reports
    return FromTorch(error.what());
  } catch (const std::exception& error) {
    return absl::InternalError(ReasonIn(error.what()));
  }
}

}  // namespace acclimate::job
