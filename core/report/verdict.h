// What a run came to, in a sentence or two.
#ifndef ACCLIMATE_CORE_REPORT_VERDICT_H_
#define ACCLIMATE_CORE_REPORT_VERDICT_H_

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace acclimate::report {

// From the finished report, by the first of these that it holds:
// 1. the verdict of `diagnose`, or what `concept_shift` found;
// 2. that the source model is returned, in which form, and why;
// 3. the accuracy on labels given for reporting, before and after;
// 4. what an audit found (audit.h), and whether its labels also chose what is returned; 2 and 3
//    have that at their end too;
// 5. that the accuracy cannot be known: of a model that agrees with the source model on less than
//    half of the samples, and of a job that has seen nothing of the source model's own domain;
// 6. the estimated accuracy, before and after, which nobody measured;
// 7. that nothing says how good the result is.
std::string Verdict(const nlohmann::json& report);

}  // namespace acclimate::report

#endif  // ACCLIMATE_CORE_REPORT_VERDICT_H_
