// Angles that rounding to multiples of pi/12 would lose, on qubits that no permutation leaves alone.
OPENQASM 2.0;
include "qelib1.inc";
qreg q[4];
ry(0.3) q[0];
ry(0.8) q[1];
ry(1.31) q[2];
ry(pi/12+1e-4) q[3];
rz(1e-6) q[0];
cu1(1e-5) q[0],q[3];
cx q[2],q[0];
rz(-3*pi/4) q[1];
u3(1e-3,pi/7,-pi/5) q[2];
crz(0.017) q[3],q[1];
cu3(0.1,2e-4,-0.3) q[1],q[2];
u2(1e-9,0.5) q[3];
