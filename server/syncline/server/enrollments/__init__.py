"""AppEnrollmentService: the connected systems of an account."""
