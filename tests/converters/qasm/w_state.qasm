// A W state of three qubits.
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
creg c[3];
u3(1.91063,0,0) q[0];
cu3(pi/2,0,0) q[0],q[1];
cx q[1],q[2];
cx q[0],q[1];
x q[0];
barrier q;
measure q -> c;
