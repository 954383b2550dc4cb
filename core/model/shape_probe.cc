#include "core/model/shape_probe.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/io/shape_text.h"
#include "core/model/output_form.h"

namespace acclimate::model {
namespace {

using Shape = std::vector<int64_t>;

// Why the model does not take such a batch; nothing when it does. Throws UnfitOutput.
std::optional<std::string> Refusal(Model& model, const Shape& sample_shape, int64_t samples) {
  Shape shape{samples};
  shape.insert(shape.end(), sample_shape.begin(), sample_shape.end());
  try {
    const at::NoGradGuard no_grad;
    const ForwardResult result = model.Forward(at::zeros(shape), Mode::kEvaluation);
    const Shape expected{samples, model.num_classes()};
    if (result.features.size(0) != samples || result.logits.sizes() != expected) {
      return absl::StrCat("its logits for ", samples, " samples have shape ",
                          io::ShapeText(result.logits.sizes()), " instead of ",
                          io::ShapeText(expected));
    }
    if (!model.ClassifyFeatures(result.features).allclose(result.logits, 1e-3, 1e-4, true)) {
      return "its classifier layer alone does not make its logits of its features";
    }
    return std::nullopt;
  } catch (const UnfitOutput&) {
    throw;
  } catch (const std::exception& error) {
    return ReasonOf(error);
  }
}

bool Takes(Model& model, const Shape& sample_shape, int64_t samples) {
  try {
    return !Refusal(model, sample_shape, samples).has_value();
  } catch (const UnfitOutput&) {
    return false;
  }
}

// Numbers in the message that a batch could have had: "shape '[8, 400]' is invalid for input of
// size 800".
std::set<int64_t> NumbersIn(const std::string& message) {
  constexpr size_t kMostTried = 8;
  constexpr int64_t kLargestTried = 512;
  std::set<int64_t> numbers;
  const auto no_digit = [](char c) { return !absl::ascii_isdigit(c); };
  std::string digits = message;
  std::replace_if(digits.begin(), digits.end(), no_digit, ' ');
  for (absl::string_view word : absl::StrSplit(digits, ' ', absl::SkipEmpty())) {
    int64_t number = 0;
    if (!absl::SimpleAtoi(word, &number) || number < 1 || number > kLargestTried) continue;
    if (numbers.size() < kMostTried) numbers.insert(number);
  }
  return numbers;
}

// What a trace has written into the code; nothing when no such number explains the refusal.
std::optional<std::string> FixedBatch(Model& model, const Shape& sample_shape, int64_t samples,
                                      const std::string& reason) {
  std::set<int64_t> candidates = NumbersIn(reason);
  candidates.insert(1);
  for (const int64_t count : candidates) {
    if (count == samples || !Takes(model, sample_shape, count)) continue;
    if (Takes(model, sample_shape, count + 1)) continue;
    return absl::StrCat("the model takes batches of exactly ", count,
                        " samples: the number was written into it when it was traced; write "
                        "x.flatten(1) in place of x.view(",
                        count, ", -1) in its forward() and trace it again");
  }
  return std::nullopt;
}

// The order of the axes that the model would take.
std::optional<std::string> OtherOrder(Model& model, const Shape& shape, int64_t samples) {
  if (shape.size() != 3) return std::nullopt;
  const Shape channels_first = {shape[2], shape[0], shape[1]};
  const Shape channels_last = {shape[1], shape[2], shape[0]};
  const auto mends = [&](const Shape& other, const char* what, const char* axes) {
    return absl::StrCat("the samples have shape ", io::ShapeText(shape), ", the model takes ",
                        io::ShapeText(other), ": they are stored ", what,
                        "; inputs = np.ascontiguousarray(inputs."
                        "transpose(",
                        axes, ")) mends them");
  };
  if (channels_first != shape && Takes(model, channels_first, samples)) {
    return mends(channels_first, "with the channels last", "0, 3, 1, 2");
  }
  if (channels_last != shape && Takes(model, channels_last, samples)) {
    return mends(channels_last, "with the channels first", "0, 2, 3, 1");
  }
  return std::nullopt;
}

}  // namespace

std::string ReasonOf(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  const std::string text =
      torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
  std::string first;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipWhitespace())) {
    line = absl::StripAsciiWhitespace(line);
    if (absl::ConsumePrefix(&line, "RuntimeError: ")) return std::string(line);
    if (first.empty()) first = std::string(line);
  }
  return first;
}

absl::Status ProbeShape(Model& model, const Shape& sample_shape, int64_t samples) {
  if (sample_shape.empty()) return absl::OkStatus();
  try {
    const std::optional<std::string> reason = Refusal(model, sample_shape, samples);
    if (!reason) return absl::OkStatus();
    if (const auto order = OtherOrder(model, sample_shape, samples)) {
      return absl::InvalidArgumentError(*order);
    }
    if (const auto batch = FixedBatch(model, sample_shape, samples, *reason)) {
      return absl::InvalidArgumentError(*batch);
    }
    if (absl::StrContains(absl::AsciiStrToLower(*reason), "cuda")) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the model asks for a GPU in its code, as one that was traced there does (", *reason,
          "): trace it on the CPU, torch.jit.trace(model.cpu().eval(), x.cpu())"));
    }
    return absl::InvalidArgumentError(absl::StrCat("the model does not take samples of shape ",
                                                   io::ShapeText(sample_shape), ": ", *reason));
  } catch (const UnfitOutput& error) {
    return absl::InvalidArgumentError(error.what());
  }
}

}  // namespace acclimate::model
