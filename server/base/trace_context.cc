#include "server/base/trace_context.h"

#include <algorithm>
#include <cstdint>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"

namespace acclimate {
namespace {

constexpr size_t kTraceIdDigits = 32, kSpanIdDigits = 16;
constexpr size_t kLength = 2 + 1 + kTraceIdDigits + 1 + kSpanIdDigits + 1 + 2;

bool IsHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return ('0' <= c && c <= '9') || ('a' <= c && c <= 'f'); });
}

bool IsId(absl::string_view text) {
  return IsHex(text) && text.find_first_not_of('0') != absl::string_view::npos;
}

// Never zero, which stands for no id.
uint64_t RandomNumber() {
  thread_local absl::BitGen random;
  return absl::Uniform<uint64_t>(absl::IntervalClosed, random, 1, UINT64_MAX);
}

std::string Hex(uint64_t number) { return absl::StrCat(absl::Hex(number, absl::kZeroPad16)); }

// FNV-1a.
uint64_t Hash(absl::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

std::optional<TraceContext> ParseTraceparent(absl::string_view text) {
  if (text.size() < kLength || text[2] != '-' || text[35] != '-' || text[52] != '-') {
    return std::nullopt;
  }
  const absl::string_view version = text.substr(0, 2), flags = text.substr(53, 2);
  if (!IsHex(version) || version == "ff" || !IsHex(flags)) return std::nullopt;
  if (text.size() > kLength && (version == "00" || text[kLength] != '-')) return std::nullopt;
  TraceContext context;
  context.trace_id = std::string(text.substr(3, kTraceIdDigits));
  context.span_id = std::string(text.substr(36, kSpanIdDigits));
  if (!IsId(context.trace_id) || !IsId(context.span_id)) return std::nullopt;
  const int last = flags[1] <= '9' ? flags[1] - '0' : flags[1] - 'a' + 10;
  context.sampled = (last & 1) != 0;
  return context;
}

std::string ToTraceparent(const TraceContext& context) {
  return absl::StrCat("00-", context.trace_id, "-", context.span_id,
                      context.sampled ? "-01" : "-00");
}

TraceContext NewTrace(bool sampled) {
  return {absl::StrCat(Hex(RandomNumber()), Hex(RandomNumber())), Hex(RandomNumber()), sampled};
}

TraceContext ChildOf(const TraceContext& parent) {
  return {parent.trace_id, Hex(RandomNumber()), parent.sampled};
}

TraceContext NamedChildOf(const TraceContext& parent, absl::string_view key) {
  const uint64_t hash = Hash(absl::StrCat(parent.trace_id, parent.span_id, key));
  return {parent.trace_id, Hex(std::max<uint64_t>(hash, 1)), parent.sampled};
}

}  // namespace acclimate
