"""The contract's messages and services, generated from the `.proto` files beside this one."""
