#include "core/report/verdict.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace acclimate::report {
namespace {

using nlohmann::json;

// Below it an adapted model has changed more predictions than it kept, and without labels a large
// gain looks like a large loss.
constexpr double kLeastAgreement = 0.5;

// The value at a JSON pointer, or null.
json At(const json& report, const char* pointer) {
  const json::json_pointer path(pointer);
  return report.contains(path) ? report.at(path) : json();
}

std::string Text(const json& value) { return value.is_string() ? value.get<std::string>() : ""; }

std::string Percent(const json& share) {
  return absl::StrFormat("%.1f %%", 100 * share.get<double>());
}

// "449 labelled samples", of a confusion matrix.
std::string SampleText(const json& confusion) {
  int64_t samples = 0;
  for (const json& row : confusion) {
    for (const json& count : row) samples += count.get<int64_t>();
  }
  return absl::StrCat(samples, " labelled samples");
}

// "shot"; "auto, by shot,".
std::string Actor(const json& report) {
  const std::string winner = Text(At(report, "/race/winner"));
  const std::string method = Text(At(report, "/method"));
  return winner.empty() ? method : absl::StrCat(method, ", by ", winner, ",");
}

std::string Change(const json& before, const json& after) {
  const char* verb = after > before ? "raised" : after < before ? "lowered" : "left";
  return after == before
             ? absl::StrCat(verb, " the accuracy at ", Percent(after))
             : absl::StrCat(verb, " the accuracy from ", Percent(before), " to ", Percent(after));
}

// What is returned in place of an adapted model.
std::string ReturnedForm(const json& report) {
  return Text(At(report, "/selection/chosen")) == "source_with_target_statistics"
             ? "The source model with the target's batch-norm statistics"
             : "The source model";
}

// " It is right on ...", where labels were given for reporting.
std::string MeasuredOfReturned(const json& report) {
  const json before = At(report, "/source_only/accuracy"), after = At(report, "/adapted/accuracy");
  if (!before.is_number() || !after.is_number()) return "";
  const std::string as_it_came =
      before == after ? "" : absl::StrCat(" (as it came: ", Percent(before), ")");
  return absl::StrCat(" It is right on ", Percent(after), " of ",
                      SampleText(At(report, "/adapted/confusion_matrix")), as_it_came, ".");
}

std::string WhySourceIsReturned(const json& report) {
  if (At(report, "/race/winner").is_null() && report.contains("race")) {
    return Text(At(report, "/race/why"));
  }
  if (At(report, "/selection/guard/on") != true || At(report, "/selection/guard/held") != false) {
    return "";
  }
  // Then there is no adapted one.
  if (Text(At(report, "/selection/guard/rules/0/rule")) == "few_samples") {
    return Text(At(report, "/selection/guard/reason"));
  }
  return absl::StrCat("the adapted one does not hold against it (",
                      Text(At(report, "/selection/guard/reason")), ")");
}

std::string Measured(const json& report) {
  const json evaluated = At(report, "/accuracy"), before = At(report, "/source_only/accuracy"),
             after = At(report, "/adapted/accuracy");
  if (evaluated.is_number()) {
    return absl::StrCat("The model is right on ", Percent(evaluated), " of ",
                        SampleText(At(report, "/confusion_matrix")), ".");
  }
  if (!after.is_number()) return "";
  const std::string samples = SampleText(At(report, "/adapted/confusion_matrix"));
  if (!before.is_number()) {
    return absl::StrCat(Actor(report), " made a model that is right on ", Percent(after), " of ",
                        samples, ".");
  }
  return absl::StrCat(Actor(report), " ", Change(before, after), ", measured on ", samples, ".");
}

std::string Estimated(const json& report) {
  const json before = At(report, "/metrics/estimated_source_accuracy"),
             after = At(report, "/metrics/estimated_accuracy"),
             low = At(report, "/metrics/estimated_accuracy_low"),
             high = At(report, "/metrics/estimated_accuracy_high");
  for (const json& value : {before, after, low, high}) {
    if (!value.is_number()) return "";
  }
  return absl::StrCat(Actor(report), " ran to its end: estimated accuracy ", Percent(before),
                      " before, ", Percent(after), " after (90 % interval ", Percent(low), " to ",
                      Percent(high), "); not measured.");
}

// "81.0 % (74.1 % to 87.2 %)", of an interval of the audit.
std::string AuditedText(const json& interval) {
  return absl::StrCat(Percent(interval.at("value")), " (", Percent(interval.at("low")), " to ",
                      Percent(interval.at("high")), ")");
}

// Whether the audit's gain is one.
std::string GainText(const json& gain) {
  const double value = gain.at("value"), low = gain.at("low"), high = gain.at("high");
  if (low == 0 && high == 0) return "both say the same of every sample";
  const std::string points =
      absl::StrFormat("%.1f points (%.1f to %.1f)", 100 * value, 100 * low, 100 * high);
  if (low > 0) return absl::StrCat("the gain of ", points, " is real");
  if (high < 0) return absl::StrCat("the loss is real: ", points);
  return absl::StrCat("so few labels do not tell whether the difference of ", points, " is real");
}

// The guard may have asked labels of an audit (guard/audit.cc).
bool LabelsChose(const json& report) {
  if (At(report, "/selection/guard/on") != true) return false;
  for (const json& rule : At(report, "/selection/guard/rules")) {
    if (Text(At(rule, "/rule")) == "audit") return true;
  }
  return false;
}

// "An audit of ...", where some samples of the target were labelled after they were drawn at
// random.
std::string Audited(const json& report) {
  const json audit = At(report, "/audit");
  if (!audit.is_object()) return "";
  const std::string samples =
      absl::StrCat("An audit of ", audit.at("labels").get<int64_t>(), " labelled samples: ");
  const std::string chose =
      LabelsChose(report) ? " Labels of an audit also chose what is returned." : "";
  if (!audit.contains("source")) {
    return absl::StrCat(samples, "the model is right on ", AuditedText(audit.at("returned")), ".",
                        chose);
  }
  return absl::StrCat(samples, AuditedText(audit.at("source")), " before, ",
                      AuditedText(audit.at("returned")), " after; ", GainText(audit.at("gain")),
                      ".", chose);
}

std::string WithAudit(const std::string& sentence, const json& report) {
  const std::string audited = Audited(report);
  return audited.empty() ? sentence : absl::StrCat(sentence, " ", audited);
}

// Of a job that had neither labelled source data nor a checkpoint with a record of its own domain:
// its estimates rest on nothing but the models' confidence in themselves.
std::string NothingOfHome(const json& report) {
  if (report.contains("source_record") || At(report, "/samples/source").is_number()) return "";
  if (!At(report, "/metrics/estimated_accuracy").is_number()) return "";
  return absl::StrCat(
      Actor(report),
      " ran to its end; how good the result is cannot be known: there was no source "
      "data, and the checkpoint has no record of what it had right in its own "
      "domain. A few labels would tell: see `acclimate audit`.");
}

// Of a model that no longer agrees with the one that it came from.
std::string Unknowable(const json& report) {
  const json agreement = At(report, "/selection/guard/agreement");
  if (!agreement.is_number() || agreement.get<double>() >= kLeastAgreement) return "";
  return absl::StrCat(Actor(report), " changed the prediction for ",
                      Percent(1 - agreement.get<double>()),
                      " of the target's samples: whether that is a gain cannot be known without "
                      "labels.");
}

// Of a method that keeps labelled samples of its own from training.
std::string Validated(const json& report) {
  const json accuracy = At(report, "/metrics/validation_accuracy");
  const json samples =
      At(report, absl::StrCat("/", Text(At(report, "/method")), "/validation_samples").c_str());
  if (!accuracy.is_number() || !samples.is_number()) return "";
  return absl::StrCat(Actor(report), " made a model that is right on ", Percent(accuracy), " of ",
                      samples.get<int64_t>(),
                      " labelled samples of the target that were kept from training.");
}

}  // namespace

std::string Verdict(const json& report) {
  // A race is diagnosed too, but its result is a model.
  if (!report.contains("race")) {
    for (const char* found : {"/diagnosis/verdict/sentence", "/concept_shift/sentence"}) {
      if (const std::string text = Text(At(report, found)); !text.empty()) return text;
    }
  }
  if (const std::string why = WhySourceIsReturned(report); !why.empty()) {
    return WithAudit(absl::StrCat(ReturnedForm(report), " is returned: ",
                                  absl::StripSuffix(why, "."), ".", MeasuredOfReturned(report)),
                     report);
  }
  if (const std::string text = Measured(report); !text.empty()) return WithAudit(text, report);
  if (const std::string text = Audited(report); !text.empty()) {
    return absl::StrCat(Actor(report), " ran to its end. ", text);
  }
  if (const std::string text = Unknowable(report); !text.empty()) return text;
  if (const std::string text = NothingOfHome(report); !text.empty()) return text;
  if (const std::string text = Estimated(report); !text.empty()) return text;
  if (const std::string text = Validated(report); !text.empty()) return text;
  return absl::StrCat(Actor(report),
                      " ran to its end; without labels or an estimate nothing says how good the "
                      "result is.");
}

}  // namespace acclimate::report
