// What a run came to, in one sentence.
#ifndef ACCLIMATE_CORE_REPORT_VERDICT_H_
#define ACCLIMATE_CORE_REPORT_VERDICT_H_

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace acclimate::report {

// From the finished report, by the first of these that it holds:
// 1. the verdict of `diagnose`, or what `concept_shift` found;
// 2. that the source model is returned, and why;
// 3. the accuracy on labels given for reporting, before and after;
// 4. the estimated accuracy, before and after;
// 5. that nothing says how good the result is.
std::string Verdict(const nlohmann::json& report);

}  // namespace acclimate::report

#endif  // ACCLIMATE_CORE_REPORT_VERDICT_H_
