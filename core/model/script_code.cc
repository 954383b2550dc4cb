#include "core/model/script_code.h"

#include <ATen/core/ivalue.h>
#include <ATen/core/qualified_name.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/frontend/lexer.h>
#include <torch/csrc/jit/frontend/parser.h>
#include <torch/csrc/jit/frontend/tree_views.h>
#include <torch/csrc/jit/serialization/import_read.h>
#include <torch/csrc/jit/serialization/import_source.h>
#include <torch/custom_class.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "core/model/operator_policy.h"

namespace acclimate::model {
namespace {

using caffe2::serialize::PyTorchStreamReader;
using torch::jit::TreeRef;

constexpr char kCodeFolder[] = "code/";
constexpr char kCodeSuffix[] = ".py";

bool IsVariable(const TreeRef& tree, absl::string_view name) {
  return tree->kind() == torch::jit::TK_VAR && torch::jit::Var(tree).name().name() == name;
}

// What LibTorch writes for a value: numbers, texts, lists of them, constants of the archive, types
// within annotate(), torch.device("cpu").
bool IsLiteral(const TreeRef& tree) {
  switch (tree->kind()) {
    case torch::jit::TK_CONST:
    case torch::jit::TK_STRINGLITERAL:
    case torch::jit::TK_TRUE:
    case torch::jit::TK_FALSE:
    case torch::jit::TK_NONE:
    case torch::jit::TK_VAR:
      return true;
    case torch::jit::TK_UNARY_MINUS:
    case torch::jit::TK_LIST:
    case torch::jit::TK_LIST_LITERAL:
    case torch::jit::TK_TUPLE_LITERAL:
    case torch::jit::TK_DICT_LITERAL:
      break;
    case '.':
      return IsVariable(tree->tree(0), "CONSTANTS");
    case torch::jit::TK_APPLY: {
      const torch::jit::Apply apply(tree);
      const TreeRef callee = apply.callee().tree();
      if (apply.attributes().size() > 0) return false;
      // The type comes first, and is not evaluated.
      if (IsVariable(callee, "annotate")) {
        return apply.inputs().size() == 2 && IsLiteral(apply.inputs()[1].tree());
      }
      if (callee->kind() != '.') return false;
      const torch::jit::Select select(callee);
      if (!IsVariable(select.value().tree(), "torch") || select.selector().name() != "device") {
        return false;
      }
      return IsLiteral(apply.inputs().tree());
    }
    default:
      return false;
  }
  return std::all_of(tree->trees().begin(), tree->trees().end(), IsLiteral);
}

absl::Status NoLiteral(const TreeRef& value, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      "the model's code has ", what,
      " that is no literal: ", std::string(value->range().text().str()).substr(0, 80)));
}

// Of every function within the tree, wherever it is defined.
absl::Status CheckDefaults(const TreeRef& tree) {
  if (tree->kind() == torch::jit::TK_PARAM) {
    const auto value = torch::jit::Param(tree).defaultValue();
    if (value.present() && !IsLiteral(value.get().tree())) {
      return NoLiteral(value.get().tree(), "a default value of an argument");
    }
  }
  if (tree->isAtom()) return absl::OkStatus();
  for (const TreeRef& child : tree->trees()) {
    if (absl::Status status = CheckDefaults(child); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// `name : Final[int] = 3`, a field of a named tuple or an enum. Not `__annotations__["0"] =
// Tensor`.
absl::Status CheckConstants(const torch::jit::ClassDef& definition) {
  for (const torch::jit::Stmt& statement : definition.body()) {
    if (statement.kind() != torch::jit::TK_ASSIGN) continue;
    const torch::jit::Assign assign(statement.tree());
    if (!assign.rhs().present() || assign.lhs().kind() == torch::jit::TK_SUBSCRIPT) continue;
    const TreeRef value = assign.rhs().get().tree();
    if (!IsLiteral(value)) return NoLiteral(value, "a constant of a class");
  }
  return absl::OkStatus();
}

class ScriptCode {
 public:
  explicit ScriptCode(std::shared_ptr<caffe2::serialize::ReadAdapterInterface> archive)
      : reader_(std::move(archive)) {}

  absl::Status Check() {
    if (reader_.hasRecord("model.json")) {
      return absl::InvalidArgumentError(
          "a TorchScript archive of before PyTorch 1.2; load it in Python and save it again");
    }
    for (const std::string& record : reader_.getAllRecords()) {
      absl::string_view path = record;
      if (!absl::ConsumePrefix(&path, kCodeFolder) || !absl::ConsumeSuffix(&path, kCodeSuffix)) {
        continue;
      }
      absl::Status status = Parse(absl::StrReplaceAll(path, {{"/", "."}}));
      if (!status.ok()) return status;
    }
    return Compile();
  }

 private:
  std::shared_ptr<torch::jit::Source> SourceOf(const std::string& qualifier) {
    const std::string record =
        absl::StrCat(kCodeFolder, absl::StrReplaceAll(qualifier, {{".", "/"}}), kCodeSuffix);
    if (!reader_.hasRecord(record)) return nullptr;
    at::DataPtr bytes;
    size_t size = 0;
    std::tie(bytes, size) = reader_.getRecord(record);
    return std::make_shared<torch::jit::Source>(
        std::string(static_cast<const char*>(bytes.get()), size), record, 1);
  }

  // The definitions of one file, as LibTorch's importer reads it.
  absl::Status Parse(const std::string& qualifier) {
    torch::jit::Parser parser(SourceOf(qualifier));
    torch::jit::Lexer& lexer = parser.lexer();
    if (lexer.cur().kind == torch::jit::TK_IDENT && lexer.cur().text() == "op_version_set") {
      SkipLine(lexer);
    }
    while (lexer.cur().kind != torch::jit::TK_EOF) {
      if (lexer.cur().kind == torch::jit::TK_IMPORT) {
        SkipLine(lexer);
        continue;
      }
      absl::Status status;
      if (lexer.cur().kind == torch::jit::TK_CLASS_DEF) {
        const torch::jit::ClassDef definition(parser.parseClass());
        classes_.emplace_back(c10::QualifiedName(qualifier), definition.name().name());
        status = CheckConstants(definition);
        status.Update(CheckDefaults(definition.tree()));
      } else {
        status = CheckDefaults(parser.parseFunction(/*is_method=*/false));
      }
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  static void SkipLine(torch::jit::Lexer& lexer) {
    while (lexer.cur().kind != torch::jit::TK_NEWLINE) lexer.next();
    lexer.next();
  }

  // The constants that code refers to. They are made without any code of the archive.
  std::vector<at::IValue> Constants() {
    const auto type_of = [](const c10::QualifiedName& name) {
      const c10::ClassTypePtr type = torch::getCustomClass(name.qualifiedName());
      TORCH_CHECK(type != nullptr, "the constants hold an object of the class ",
                  name.qualifiedName());
      return c10::StrongTypePtr(nullptr, type);
    };
    // An object of a class of LibTorch itself, such as packed weights: its type is all that is
    // asked.
    const auto load = [](const c10::StrongTypePtr& type, const at::IValue&) {
      return c10::ivalue::Object::create(type,
                                         type.type_->expect<c10::ClassType>()->numAttributes());
    };
    const at::IValue constants = torch::jit::readArchiveAndTensors(
        "constants", "", "", type_of, load, at::Device(at::kCPU), reader_);
    const auto& elements = constants.toTupleRef().elements();
    return std::vector<at::IValue>(elements.begin(), elements.end());
  }

  absl::Status Compile() {
    const std::vector<at::IValue> constants = Constants();
    auto unit = std::make_shared<torch::jit::CompilationUnit>();
    const torch::jit::SourceImporter importer(
        unit, &constants, [this](const std::string& qualifier) { return SourceOf(qualifier); },
        reader_.version());
    for (const c10::QualifiedName& name : classes_) importer.loadType(name);
    return CheckOperators(*unit);
  }

  PyTorchStreamReader reader_;
  std::vector<c10::QualifiedName> classes_;
};

}  // namespace

absl::Status CheckScriptCode(std::shared_ptr<caffe2::serialize::ReadAdapterInterface> archive) {
  return ScriptCode(std::move(archive)).Check();
}

}  // namespace acclimate::model
