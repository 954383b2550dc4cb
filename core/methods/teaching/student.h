// A network that learns what a teacher predicts for the target's samples:
//
//   CE(source) + mean_i KL(t_i || p_i),    p = softmax(logits) of the target, t = the teacher's
//   rows
//
// (the KL divergence of Hinton, Vinyals & Dean, arXiv:1503.02531, 2015, at temperature 1). The
// teacher may be anything that gives class probabilities: a classical model, the mean of several
// networks. What comes back has the form of the checkpoint.
//
//   MakeStudent(context, mean_of_finalists, StudentOptions())
#ifndef ACCLIMATE_CORE_METHODS_TEACHING_STUDENT_H_
#define ACCLIMATE_CORE_METHODS_TEACHING_STUDENT_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/methods/method.h"
#include "core/methods/method_spec.h"
#include "core/methods/settings.h"
#include "core/train/optimizer.h"
#include "core/train/schedule.h"
#include "core/train/stop_signal.h"
#include "core/train/task.h"

namespace acclimate::methods {

// What a teacher knows.
struct Teaching {
  at::Tensor probabilities;  // float32 [N, C] on the CPU, rows as the target's samples
  // Of the teacher on held-out source samples; NaN where it was not measured.
  double source_accuracy = std::numeric_limits<double>::quiet_NaN();
  // A model of another kind than the student, which is to say the same and not to learn from
  // itself.
  bool other_kind = false;
};

// CANCELLED as soon as `stop` says so; it is then asked again. Asked once more, it gives the same.
using Teach = std::function<absl::StatusOr<Teaching>(train::StopSignal& stop)>;

struct StudentOptions {
  int64_t steps = 900;
  int64_t batch_size = 64;        // of source and of target samples, each
  std::string augment = "light";  // as AugmentSetting()
  // Of vectors of counts: the probability that a value is set to 0 in a step, the others scaled up.
  double corruption = 0;
  // Of so many equal parts of the run each but the first learns what the network itself said of the
  // target at the end of the part before: a student is better than its teacher, and so is its own
  // (born-again networks; Furlanello et al., ICML 2018).
  int64_t generations = 1;
  // SGD, as the alignment methods have it.
  train::OptimizerOptions optimizer = [] {
    train::OptimizerOptions sgd;
    sgd.learning_rate = 0.01;
    sgd.weight_decay = 1e-3;
    return sgd;
  }();
  train::Schedule schedule = train::Schedule::kInverseDecay;
};

// steps, augment and the settings of optimization.h, for methods whose result is a student: their
// defaults are those of `options`, but for augment, which is none; and what they say, laid over
// `options`.
std::vector<HyperparameterSpec> StudentSettings(const StudentOptions& options);
StudentOptions StudentOptionsOf(const Settings& settings, StudentOptions options);

// The task that trains context.model, which may have any weights. Every parameter moves; at the end
// batch norm has the statistics of the target. Without sources the student follows the teacher
// alone. Of the context's settings it reads none.
//
// Target samples whose largest value is more than 20 times the usual one take no part in training
// and in the statistics: a single error of measurement would set the variance for all others.
//
// `teach` is asked before the first step. What it gives, and what the network learns from now, is
// part of the task's state: a run that is taken up again does not ask. Metrics:
// "teacher_agreement", the share of the target on which both predict the same class;
// "teacher_source_accuracy" where it is known. The run fails with INVALID_ARGUMENT where the
// probabilities are not [N, C] of the target's samples and the model's classes.
std::unique_ptr<train::Task> MakeStudent(const MethodContext& context, Teach teach,
                                         const StudentOptions& options);

// The same of a teacher that has spoken; wrong probabilities are found at once.
absl::StatusOr<std::unique_ptr<train::Task>> MakeStudent(const MethodContext& context,
                                                         at::Tensor probabilities,
                                                         const StudentOptions& options);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_TEACHING_STUDENT_H_
