#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/catalog.h"
#include "client/cli/command.h"
#include "client/cli/output.h"
#include "client/lib/names.h"

namespace acclimate::cli {
namespace {

const char* NeedText(v1::DataNeed need) {
  switch (need) {
    case v1::DATA_NEED_REQUIRED:
      return "required";
    case v1::DATA_NEED_OPTIONAL:
      return "optional";
    default:
      return "not used";
  }
}

std::string RangeText(const v1::Hyperparameter& hyperparameter) {
  switch (hyperparameter.type()) {
    case v1::Hyperparameter::INTEGER:
    case v1::Hyperparameter::REAL:
      return absl::StrFormat("%s%g, %g]", hyperparameter.exclusive_minimum() ? "(" : "[",
                             hyperparameter.minimum(), hyperparameter.maximum());
    case v1::Hyperparameter::BOOLEAN:
      return "true, false";
    default:
      return absl::StrJoin(hyperparameter.choices(), ", ");
  }
}

std::string MethodText(const v1::Method& method) {
  std::string text = absl::StrCat(client::LastSegment(method.name()), ": ", method.title(), "\n",
                                  method.summary(), "\n");
  if (!method.reference().empty()) absl::StrAppend(&text, "\nReference: ", method.reference());
  if (!method.formula().empty()) absl::StrAppend(&text, "\nFormula:   ", method.formula());
  absl::StrAppend(&text, "\n\nNeeds:\n  checkpoint      ", NeedText(method.checkpoint()),
                  "\n  labelled source ", NeedText(method.source()), "\n  target          ",
                  NeedText(method.target()), "\n  target labels   ",
                  NeedText(method.target_labels()), "\n");
  for (const v1::MethodInput& input : method.inputs()) {
    absl::StrAppendFormat(&text, "  %-15s %s; --input %s=FILE: %s\n", input.name(),
                          NeedText(input.need()), input.name(), input.description());
  }
  if (method.needs_batch_norm()) absl::StrAppend(&text, "  a model with batch normalisation\n");
  if (method.needs_normalization()) {
    absl::StrAppend(&text, "  a model with batch, layer, group or instance normalisation\n");
  }
  if (method.needs_images()) absl::StrAppend(&text, "  images\n");
  if (method.needs_counts()) {
    absl::StrAppend(&text, "  samples that are vectors of counts\n");
  } else if (method.needs_vectors()) {
    absl::StrAppend(&text, "  samples that are vectors\n");
  }
  if (!method.hyperparameters().empty()) absl::StrAppend(&text, "\nHyperparameters (--set):\n");
  for (const v1::Hyperparameter& hyperparameter : method.hyperparameters()) {
    absl::StrAppendFormat(&text, "  %-20s %s (default %s; %s)\n", hyperparameter.name(),
                          hyperparameter.description(), ValueText(hyperparameter.default_value()),
                          RangeText(hyperparameter));
  }
  return text;
}

std::string CatalogText(const v1::ListMethodsResponse& catalog) {
  std::string text = "Methods:\n";
  for (const v1::Method& method : catalog.methods()) {
    absl::StrAppendFormat(&text, "  %-12s %s\n", client::LastSegment(method.name()),
                          method.title());
  }
  return absl::StrCat(text,
                      "\nBuilt-in architectures: ", absl::StrJoin(catalog.architectures(), ", "),
                      "\n\n`acclimate methods NAME` tells more about one.\n");
}

absl::StatusOr<ExitCode> Methods(Invocation& invocation) {
  if (invocation.arguments.positionals().empty()) {
    absl::StatusOr<v1::ListMethodsResponse> catalog = ListMethods(invocation.connection);
    if (!catalog.ok()) return catalog.status();
    if (invocation.json) {
      PrintJson(MessageJson(*catalog));
    } else {
      PrintText(CatalogText(*catalog));
    }
    return kSuccess;
  }
  absl::StatusOr<v1::Method> method =
      FindMethod(invocation.connection, invocation.arguments.positionals()[0]);
  if (!method.ok()) return method.status();
  if (invocation.json) {
    PrintJson(MessageJson(*method));
  } else {
    PrintText(MethodText(*method));
  }
  return kSuccess;
}

}  // namespace

Command MethodsCommand() {
  Command command;
  command.name = "methods";
  command.summary = "List the methods, or describe one with its hyperparameters";
  command.arguments.positionals = {{"NAME", "the method", false}};
  command.run = Methods;
  return command;
}

}  // namespace acclimate::cli
