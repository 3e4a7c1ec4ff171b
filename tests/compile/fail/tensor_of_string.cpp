// expect: a tensor's elements must be trivially copyable
#include <string>

#include <quanto/tensor/tensor.hpp>

quanto::Tensor<std::string> names;
