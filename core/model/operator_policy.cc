#include "core/model/operator_policy.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/script.h>

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/model/mode_graph.h"

namespace acclimate::model {
namespace {

// Of operators that compute: of LibTorch, of its quantised and prepared forms, and our own.
bool IsAllowedNamespace(const std::string& name) {
  static const auto* kAllowed =
      new std::set<std::string>{"aten",       "prim",     "prims",  "quantized",
                                "_quantized", "sparse",   "mkldnn", "mkldnn_prepacked",
                                "prepacked",  "acclimate"};
  return kAllowed->count(name) > 0;
}

bool IsDenied(const std::string& kind) {
  static const auto* kDenied = new std::set<std::string>{
      "aten::save",        "aten::from_file",  "aten::set_", "aten::manual_seed",
      "aten::as_strided_", "aten::resize_",    "prim::fork", "prim::rpc_async",
      "prim::rpc_sync",    "prim::rpc_remote", "prim::Print"};
  return kDenied->count(kind) > 0;
}

void CollectDenied(const torch::jit::Graph& graph, std::set<std::string>* denied) {
  for (const torch::jit::Node* node : AllNodes(graph)) {
    const std::string kind = node->kind().toQualString();
    if (IsDenied(kind) || !IsAllowedNamespace(node->kind().ns().toUnqualString())) {
      denied->insert(kind);
    }
    for (const c10::Symbol name : node->attributeNames()) {
      if (node->kindOf(name) == torch::jit::AttributeKind::g) CollectDenied(*node->g(name), denied);
    }
  }
}

}  // namespace

absl::Status CheckOperators(const torch::jit::CompilationUnit& unit) {
  std::set<std::string> denied;
  for (torch::jit::Function* function : unit.get_functions()) {
    if (!function->isGraphFunction()) continue;
    CollectDenied(*torch::jit::toGraphFunction(*function).graph(), &denied);
  }
  if (denied.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the model uses operators that are not allowed: ", absl::StrJoin(denied, ", ")));
}

}  // namespace acclimate::model
