// What a C library makes and a function of its own frees:
//   std::unique_ptr<BIO, FreedBy<BIO_free_all>>
#ifndef ACCLIMATE_SERVER_BASE_C_OBJECT_H_
#define ACCLIMATE_SERVER_BASE_C_OBJECT_H_

namespace acclimate {

template <auto free>
struct FreedBy {
  template <typename T>
  void operator()(T* object) const {
    free(object);
  }
};

}  // namespace acclimate

#endif  // ACCLIMATE_SERVER_BASE_C_OBJECT_H_
