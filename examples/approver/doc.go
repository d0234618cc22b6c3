// Command approver is a reference client of the approver protocol (docs/approver.md): a device with which a person approves
// what begins elsewhere. It uses nothing of Postern's own packages, so that it shows all that a native app has to do.
//
//	approver enrol https://id.example.com ABCD-EFGH-IJKL-MNOP [name]
//	approver enrol 'https://id.example.com/approver#ABCD-EFGH-IJKL-MNOP' [name]
//	approver watch [seconds]
//	approver approve HANDLE NUMBER
//	approver deny HANDLE [not_me|cancel]
//	approver remove
//
// Its key lies in a file of its own, APPROVER_KEY or approver.key, readable by its owner only. A real app keeps the key in
// the hardware of its device and asks for the person's finger or face before each signature.
package main
