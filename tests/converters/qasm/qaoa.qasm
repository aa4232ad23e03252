// Two layers of QAOA with symbolic angles.
OPENQASM 3.0;
include "stdgates.inc";
input float[64] gamma__0;
input float[64] gamma__1;
input float[64] beta__0;
input float[64] beta__1;
qubit[4] q;
h q;
cx q[0], q[1]; rz(2 * gamma__0) q[1]; cx q[0], q[1];
cx q[1], q[2]; rz(-gamma__0 / 2) q[2]; cx q[1], q[2];
cx q[2], q[3]; rz(2 * gamma__0 + 0.01) q[3]; cx q[2], q[3];
rx(2 * beta__0) q;
cx q[0], q[3]; rz(2 * gamma__1 - beta__0) q[3]; cx q[0], q[3];
rx(2 * beta__1) q;
