// Everything but what needs something more: eigen.hpp (Eigen), backend/thread_executor.hpp (threads).
#pragma once

#include <quanto/backend/reference_backend.hpp>
#include <quanto/core/pool_memory.hpp>
#include <quanto/io/safetensors.hpp>
#include <quanto/io/safetensors_writer.hpp>
#include <quanto/nn/compare.hpp>
#include <quanto/nn/elementwise.hpp>
#include <quanto/nn/flatten.hpp>
#include <quanto/nn/join.hpp>
#include <quanto/nn/layer_norm.hpp>
#include <quanto/nn/linear.hpp>
#include <quanto/nn/matmul.hpp>
#include <quanto/nn/reduce.hpp>
#include <quanto/nn/relu.hpp>
#include <quanto/nn/sequential.hpp>
#include <quanto/nn/softmax.hpp>
#include <quanto/quantizer/activation.hpp>
#include <quanto/quantizer/hqq.hpp>
#include <quanto/quantizer/metrics.hpp>
#include <quanto/quantizer/quantize.hpp>
#include <quanto/workflow/calibration.hpp>
#include <quanto/workflow/freeze.hpp>
#include <quanto/workflow/load.hpp>
#include <quanto/workflow/quantize.hpp>
#include <quanto/workflow/save.hpp>
