"""Upload: changes of devices, checked, decided and answered."""
